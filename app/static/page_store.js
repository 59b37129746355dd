// @ts-check
/** The store of the server's own pages: there the token is a cookie as well, so that they work without a script too. */

import { Store } from "./store.js";

const COOKIE = "like_token";
const COOKIE_SECONDS = 400 * 24 * 3600;

export class PageStore extends Store {
  constructor() {
    super(location.origin);
    // Of a press without a script: buttons beside this page are the same visitor's.
    const { token } = this;
    if (token) super.token = token;
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
