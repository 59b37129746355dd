// @ts-check
/** Which item a `<like-button>` means. Pure but for the page's own address. */

/**
 * `once:blog/post-42`, or a name and a kind, or nothing: then it is the page's own address that is liked.
 * @param {string | null} item
 * @param {string | null} kind `once` where none is named
 * @returns {string}
 */
export function itemOf(item, kind) {
  const named = item?.trim() || nameOf(location);
  return /^(tap|once|clap):/.test(named) ? named : `${kind || "once"}:${named}`;
}

/**
 * The same for every visitor of a page: without the query and the fragment, which often name how they came.
 * @param {{host: string, pathname: string}} page
 */
const nameOf = ({ host, pathname }) =>
  `${host}${pathname}`
    .replace(/\/+(?=\/|$)/g, "")
    .replace(/[^\w.~/@%-]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
    .replace(/^(.{99}).{2,}(.{100})$/, "$1~$2");
