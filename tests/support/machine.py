"""A machine whose disk is slow, fails or lies, and whose clock jumps, while a node runs on it.

    library = compile_library(folder)            loaded before libc, controlled by a file
    machine = Machine(library, folder / "node1.machine")
    node.settings |= machine.environment         before the node starts
    machine.set(sync_fails=1)                    from now on every fsync of its ledger answers EIO
    machine.heal()
    machine.injected                             how often the disk interfered

    node.settings |= machine.on_disk(folder)     its ledger, there, as a power cut would leave it: what was synced

Faults: `sync_delay_ms` (a slow disk); `sync_fails`, `write_fails` and `read_fails` (EIO); `sync_lies` (fsync
answers at once, and nothing was written); `clock_days` (how far the time of day is off). Needs a C compiler.
"""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("machine.c")
# As in the C struct: 32-bit numbers, in this order.
_FIELDS: Final = ("sync_delay_ms", "sync_fails", "sync_lies", "write_fails", "read_fails", "clock_days", "injected")
_NUMBER: Final = struct.Struct("=i")


def compile_library(folder: Path) -> Path:
    """Build the library into this folder."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler is installed (Debian package gcc)"
    library = folder / "machine.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return library


class Machine:
    """The machine of one node."""

    def __init__(self, library: Path, control: Path) -> None:
        self._library, self._control = library, control
        control.write_bytes(bytes(_NUMBER.size * len(_FIELDS)))

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a process that runs on this machine."""
        return {"LD_PRELOAD": str(self._library), "FAULTY_MACHINE": str(self._control)}

    @staticmethod
    def on_disk(folder: Path) -> dict[str, str]:
        """Variables of a process whose ledger stands in this folder as far as it was synced.

        The folder has to begin as a copy of the ledger's.
        """
        return {"FAULTY_MACHINE_DISK": str(folder)}

    @property
    def injected(self) -> int:
        """How many calls to the disk were delayed, refused or not done since the last `set`."""
        with self._control.open("rb") as control:
            control.seek(_offset("injected"))
            return int(_NUMBER.unpack(control.read(_NUMBER.size))[0])

    def set(self, **faults: int) -> None:
        """Have these faults, and no others, from now on."""
        self._write("injected", 0)
        for name in _FIELDS[:-1]:
            self._write(name, faults.pop(name, 0))
        assert not faults, f"no such faults: {faults}"

    def heal(self) -> None:
        """Be healthy; what was injected stays to be read."""
        for name in _FIELDS[:-1]:
            self._write(name, 0)

    def _write(self, name: str, value: int) -> None:
        # In place, and no new file: the process has mapped this one.
        with self._control.open("r+b") as control:
            control.seek(_offset(name))
            control.write(_NUMBER.pack(value))


def _offset(name: str) -> int:
    return _FIELDS.index(name) * _NUMBER.size
