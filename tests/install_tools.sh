#!/bin/sh
# Install, where it is possible, the programs that tests start and that are not Python packages.
# Never fails: a layer whose program is missing fails by itself and names it (tests/layers.py).
# `install_tools.sh bench`: only what the benchmark and its peers are made of.

has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

packages=""
has nginx || packages="$packages nginx-light"
has npm || packages="$packages npm"
has cc || has gcc || packages="$packages gcc libc6-dev"
if [ "$1" = bench ]; then
	[ -e /usr/lib/nginx/modules/ngx_nchan_module.so ] || packages="$packages libnginx-mod-nchan"
	has ss || packages="$packages iproute2"
else
	has chromium || has chromium-browser || has google-chrome || packages="$packages chromium"
	has firefox-esr || has firefox || packages="$packages firefox-esr"
	has dockerd || packages="$packages docker.io"
	has docker-compose || docker compose version >/dev/null 2>&1 || packages="$packages docker-compose"
	has debootstrap || packages="$packages debootstrap"
	has ip || packages="$packages iproute2"
	has iptables || packages="$packages iptables"
fi
[ -n "$packages" ] || exit 0

if ! has apt-get; then
	echo "missing, and no apt-get to install them with (Debian package names):$packages"
	exit 0
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
	if ! has sudo || ! sudo -n true 2>/dev/null; then
		echo "missing, and no right to install them: sudo apt-get install$packages"
		exit 0
	fi
	as_root="sudo -n"
fi

echo "installing what is started here:$packages"
install() {
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends \
		-o DPkg::Lock::Timeout=120 "$@" >/dev/null
}
$as_root apt-get update --quiet=2 || echo "apt-get update failed, trying with what is known"
# One by one, so that one package that is not to be had does not keep the others away.
for package in $packages; do
	install "$package" || echo "could not install $package"
done
# From Debian 13 on the engine's package no longer brings the client.
[ "$1" = bench ] || has docker || install docker-cli || echo "could not install docker-cli"
exit 0
