// @ts-check
/** A number whose digits roll to their next: one change of style a digit, whatever lies between. */

export class Rolling {
  /**
   * @param {Element} place hidden from screen readers, which read the number elsewhere
   * @param {string[]} digits from 0 to 9, as the number's readers write them
   */
  constructor(place, digits) {
    this.place = place;
    this.digits = digits;
  }

  /** @param {string} text a number as people write it */
  show(text) {
    while (this.place.childElementCount > text.length) this.place.firstElementChild?.remove();
    while (this.place.childElementCount < text.length) this.place.prepend(document.createElement("span"));
    [...text].forEach((sign, index) => this.#set(/** @type {HTMLElement} */ (this.place.children[index]), sign));
  }

  /** @param {HTMLElement} cell @param {string} sign */
  #set(cell, sign) {
    if (cell.dataset.sign === sign) return;
    cell.dataset.sign = sign;
    const digit = this.digits.indexOf(sign);
    if (digit < 0) {
      cell.replaceChildren(sign);
      return;
    }
    if (!cell.firstElementChild) {
      const strip = document.createElement("span");
      strip.append(...this.digits.map((each) => Object.assign(document.createElement("b"), { textContent: each })));
      cell.replaceChildren(strip);
    }
    /** @type {HTMLElement} */ (cell.firstElementChild).style.transform = `translateY(${-10 * digit}%)`;
  }
}
