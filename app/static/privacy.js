// @ts-check
/** Where only the page's storage still knows the visitor, the cookie comes back: the form that forgets goes by it. */

import { PageStore } from "./page_store.js";

// Who was forgotten just now stays so: the next page that a node answers clears what is stored.
const isForgotten = new URLSearchParams(location.search).get("notice") === "forgotten";
if (!isForgotten) new PageStore();
