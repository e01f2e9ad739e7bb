/** The panel of sliders, which the exporter has named, grouped and given a direction (viewer/sliders.py): the workbench has the same. */

import { made } from "./dom.js";

/**
 * A slider as the avatar's header lists it.
 * @typedef {{name: string, label: string, low: number, high: number, step: number, moves: [string, number, number][], partner: string | null}} Slider
 */

/**
 * Fills the panel.
 * @param {HTMLElement} panel
 * @param {Object<string, Slider[]>} groups by title
 * @param {import("./performance.js").Performance} performance whose frames the sliders are added to
 */
export function fillSliders(panel, groups, performance) {
  const linked = made("input", { type: "checkbox", checked: true, id: "linked" });
  /** By name: the slider, and how to set it. */
  const all = new Map();

  const add = () => {
    const added = {};
    for (const { slider, input } of all.values()) {
      const value = Number(input.value);
      if (value === 0) continue;
      for (const [channel, number, size] of slider.moves) {
        const numbers = (added[channel] ??= new Map());
        numbers.set(number, (numbers.get(number) ?? 0) + size * value);
      }
    }
    performance.added = added;
  };

  const row = (slider) => {
    const { name, label, low, high, step } = slider;
    const input = made("input", { type: "range", min: String(low), max: String(high), step: String(step) });
    const output = made("output", { textContent: "0" });
    const put = (value) => {
      input.value = String(value);
      output.textContent = String(Number(input.value));
    };
    input.value = "0";
    input.addEventListener("input", () => {
      put(input.value);
      if (linked.checked) all.get(slider.partner)?.put(input.value);
      add();
    });
    all.set(name, { slider, input, put });
    const line = made("label", { className: "slider", title: `${name}; twice to put it back` }, made("span", { textContent: label }), input, output);
    line.addEventListener("dblclick", () => {
      put(0);
      if (linked.checked) all.get(slider.partner)?.put(0);
      add();
    });
    return line;
  };

  const rest = made("button", { textContent: "all to rest", id: "rest" });
  rest.addEventListener("click", () => {
    for (const { put } of all.values()) put(0);
    add();
  });
  const close = made("button", { className: "close", textContent: "✕", title: "close (Esc)", ariaLabel: "close" });
  const sections = Object.entries(groups).map(([title, sliders], index) =>
    made("details", { open: index === 0 }, made("summary", { textContent: title }), ...sliders.map(row)),
  );
  panel.replaceChildren(
    made("header", {}, made("strong", { textContent: "Sliders" }), rest, close),
    made("label", { className: "linked" }, linked, "left and right together"),
    ...sections,
  );
}
