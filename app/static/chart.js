// @ts-check
/** A line over the last minutes, drawn by uPlot (`vendor/`), and its newest value as text. */

const SECONDS = 180;
const HEIGHT = 120;

/**
 * @param {HTMLElement} place shown once there is something to see
 * @param {string} title
 * @param {string} locale
 */
export function chart(place, title, locale) {
  const frame = document.createElement("div");
  const heading = document.createElement("h2");
  const newest = document.createElement("span");
  newest.className = "newest";
  heading.append(title, " ", newest);
  frame.append(heading);
  place.append(frame);
  /** @type {number[]} */
  const times = [];
  /** @type {(number | null)[]} */
  const values = [];
  /** @type {any} */
  let plot = null;

  const color = () => getComputedStyle(frame).getPropertyValue("--accent").trim();
  const soft = () => getComputedStyle(frame).getPropertyValue("--soft").trim();
  const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  /** @param {(each: number) => string} write */
  const written = (write) => (/** @type {any} */ _, /** @type {number[]} */ each) => each.map(write);
  const axis = { stroke: soft, grid: { show: false }, ticks: { show: false }, size: 40 };
  const options = {
    width: 280,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { range: () => [Date.now() / 1000 - SECONDS, Date.now() / 1000] },
      y: { range: (/** @type {any} */ _, /** @type {number} */ _min, /** @type {number} */ max) => [0, Math.max(1, max * 1.1)] },
    },
    axes: [
      { ...axis, size: 24, incrs: [60], values: written((each) => clock.format(each * 1000)) },
      { ...axis, values: written(number.format) },
    ],
    series: [{}, { stroke: color, width: 2, points: { show: false } }],
  };

  return {
    /** One more point, of now; null where nothing is known. @param {number | null} value */
    add(value) {
      times.push(Date.now() / 1000);
      values.push(value);
      newest.textContent = value === null ? "" : number.format(value);
      while (times[0] < times[times.length - 1] - SECONDS) for (const list of [times, values]) list.shift();
      if (times.length < 2) return;
      place.hidden = false;
      const width = frame.clientWidth - 32;
      plot ??= new /** @type {any} */ (window).uPlot({ ...options, width }, [times, values], frame);
      if (plot.width !== width && width > 0) plot.setSize({ width, height: HEIGHT });
      plot.setData([times, values]);
    },
  };
}
