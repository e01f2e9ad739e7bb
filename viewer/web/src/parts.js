/** What a page carries, from inside it or from files beside it. */

const FROM_DISK =
  "a browser does not read files beside a page that was opened from disk: serve this folder by a web server, or export a single .html";

/** @returns {{files: Object<string, string>, background: string}} */
export const pageConfig = () => JSON.parse(document.getElementById("config").textContent);

/**
 * The bytes of one of the page's parts.
 * @param {string} name avatar, motion, idle, sound, driver or runtime
 * @param {Object<string, string>} files
 * @param {(share: number) => void} [told] how much of a file is here
 * @returns {Promise<ArrayBuffer | null>}
 */
export async function bytes(name, files, told) {
  const inside = document.getElementById(`data-${name}`);
  if (inside) {
    const text = atob(inside.textContent.trim());
    const out = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
    inside.remove();
    return out.buffer;
  }
  if (!files[name]) return null;
  if (location.protocol === "file:") throw new Error(FROM_DISK);
  const answer = await fetch(files[name]).catch((error) => {
    throw new Error(`${files[name]} could not be read (${error.message})`);
  });
  if (!answer.ok) throw new Error(`${files[name]} could not be read (${answer.status})`);
  return told && answer.body ? counted(answer, told) : answer.arrayBuffer();
}

async function counted(answer, told) {
  const whole = Number(answer.headers.get("content-length")) || Infinity;
  const chunks = [];
  let here = 0;
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return new Blob(chunks).arrayBuffer();
    chunks.push(value);
    here += value.length;
    told(Math.min(here / whole, 1));
  }
}
