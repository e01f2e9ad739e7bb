/** The bar below the picture: one row, whatever the page's size; what has no room goes into a menu above it. */

/** How little room there is: classes of the page, each with the ones before it. */
const STEPS = ["tight", "tighter", "tightest"];

/**
 * Keeps the bar in one row from now on.
 * @param {HTMLElement} bar with #talk, #more and #more-button in it
 * @returns {() => void} to be called when its contents change otherwise than by `hidden` or by new buttons
 */
export function keepInOneRow(bar) {
  const [stage, more, button, talk] = ["stage", "more", "more-button", "talk"].map((id) => document.getElementById(id));
  const { classList } = document.body;
  const open = (on) => {
    more.classList.toggle("open", on);
    button.setAttribute("aria-expanded", String(on));
  };
  button.addEventListener("click", () => open(!more.classList.contains("open")));
  // Pressing anything else closes the menu, and so do its own buttons; its list stays while one chooses.
  window.addEventListener("pointerdown", (event) => event.target.closest?.("#more, #more-button") || open(false));
  more.addEventListener("click", (event) => event.target.closest("button") && open(false));
  window.addEventListener("keydown", (event) => event.key === "Escape" && open(false));

  const changes = new MutationObserver((records) => records.some(({ target }) => target.id !== "time") && fit());
  function fit() {
    changes.disconnect();
    classList.remove(...STEPS);
    button.before(talk, more);
    for (const step of STEPS) {
      if (bar.scrollWidth <= bar.clientWidth) break;
      classList.add(step);
      // The bar's glass would hold a menu inside it.
      if (step === "tight") bar.before(more);
      if (step === "tightest") more.prepend(talk);
    }
    for (const part of [bar, more, talk]) changes.observe(part, { subtree: true, childList: true, attributes: true, attributeFilter: ["hidden"] });
  }
  new ResizeObserver(fit).observe(stage);
  return fit;
}
