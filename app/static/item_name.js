// @ts-check
/** Which item a `<like-button>` means. Pure but for the page's own address. */

/**
 * `once:blog/post-42`, or a name and a kind, or nothing: then it is the page's own address that is liked, without the
 * query and the fragment, which often name how somebody came.
 * @param {string | null} item
 * @param {string | null} kind `once` where none is named
 * @returns {string}
 */
export function itemOf(item, kind) {
  const { host, pathname } = location;
  const named = item?.trim() || host + pathname;
  const [, given, name] = /** @type {RegExpExecArray} */ (/^(?:(tap|once|clap):)?(.*)/s.exec(named));
  return `${given || kind?.toLowerCase() || "once"}:${legal(name)}`;
}

/** As a name may be written: what it may not have is percent-encoded. @param {string} name */
const legal = (name) =>
  name
    .replace(/\/+(?=\/|$)/g, "")
    .replace(/[^\w.~/@%-]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
    .replace(/^(.{99}).{2,}(.{100})$/, "$1~$2");
