// @ts-check
/** A line over the last minutes, drawn by uPlot (`vendor/`). */

const POINTS_MAX = 300;
const HEIGHT = 120;

/**
 * @param {HTMLElement} place shown once there is something to see
 * @param {string} title
 */
export function chart(place, title) {
  const frame = document.createElement("div");
  const heading = document.createElement("h2");
  heading.textContent = title;
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
  const axis = { stroke: soft, grid: { show: false }, ticks: { show: false }, size: 40 };
  const options = {
    width: 280,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ _min, /** @type {number} */ max) => [0, Math.max(1, max * 1.1)] } },
    axes: [{ ...axis, size: 24 }, axis],
    series: [{}, { stroke: color, width: 2, spanGaps: true }],
  };

  return {
    /** One more point, of now; null where nothing is known. @param {number | null} value */
    add(value) {
      times.push(Date.now() / 1000);
      values.push(value);
      if (times.length > POINTS_MAX) for (const list of [times, values]) list.shift();
      if (times.length < 2) return;
      place.hidden = false;
      const width = frame.clientWidth - 32;
      plot ??= new /** @type {any} */ (window).uPlot({ ...options, width }, [times, values], frame);
      if (plot.width !== width && width > 0) plot.setSize({ width, height: HEIGHT });
      plot.setData([times, values]);
    },
  };
}
