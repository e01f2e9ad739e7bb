/** One line above the bar for what the visitor should know. */

/** @param {string} text nothing takes it away */
export function tell(text) {
  const line = document.getElementById("notice");
  line.textContent = text;
  line.hidden = !text;
}
