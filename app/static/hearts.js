// @ts-check
/** Hearts that rise while others press: few, however many press, and none for those who asked for calm. */

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const IN_THE_AIR_MAX = 24;
const AT_ONCE_MAX = 3;
const RISE_MS = 2600;

const between = (/** @type {number} */ low, /** @type {number} */ high) => low + Math.random() * (high - low);

export class Hearts {
  #count = NaN;

  /** @param {Element} sky where they rise @param {Element} icon what they look like */
  constructor(sky, icon) {
    this.sky = sky;
    this.icon = icon;
  }

  /** The count is this now: more than before was pressed since. @param {number} count */
  show(count) {
    const more = count - this.#count;
    this.#count = count;
    if (calm.matches || document.hidden) return;
    for (let number = 0; number < Math.min(more, AT_ONCE_MAX); number++) this.#rise(number * 90);
  }

  /** @param {number} delay */
  #rise(delay) {
    if (this.sky.childElementCount >= IN_THE_AIR_MAX) return;
    const heart = /** @type {SVGElement} */ (this.icon.cloneNode(true));
    heart.style.insetInlineStart = `${between(5, 90)}%`;
    this.sky.append(heart);
    const [sway, turn, size] = [between(-40, 40), between(-25, 25), between(0.7, 1.3)];
    const flight = heart.animate(
      [
        { opacity: 0, transform: `scale(${0.4 * size})` },
        { opacity: 0.9, transform: `translate(${sway / 2}px, -25cqh) rotate(${turn / 2}deg) scale(${size})`, offset: 0.3 },
        { opacity: 0, transform: `translate(${sway}px, -90cqh) rotate(${turn}deg) scale(${size})` },
      ],
      { duration: RISE_MS * between(0.8, 1.2), delay, easing: "cubic-bezier(.2,.6,.4,1)", fill: "backwards" },
    );
    flight.onfinish = () => heart.remove();
  }
}
