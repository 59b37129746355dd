// @ts-check
/** The store of the server's own pages: there the token is a cookie as well, so that they work without a script too. */

import { Store } from "./store.js";

const COOKIE = "like_token";
const COOKIE_SECONDS = 400 * 24 * 3600;

export class PageStore extends Store {
  constructor() {
    super(location.origin);
    // In both places, where one has it: a press without a script sets the cookie only, and a browser may drop that.
    const { token } = this;
    if (token) this.token = token;
  }

  /** @override The cookie's, since a press without a script sets that one. */
  get token() {
    const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${COOKIE}=`));
    return found?.slice(COOKIE.length + 1).replaceAll('"', "") || super.token;
  }

  set token(token) {
    super.token = token;
    const seconds = token ? COOKIE_SECONDS : 0;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${COOKIE}=${token}; Path=/; Max-Age=${seconds}; SameSite=Lax${secure}`;
  }
}
