/** The page's elements. */

/** @param {string} id of one that the page has */
export const element = (id) => document.getElementById(id);

/**
 * A new one.
 * @param {string} tag
 * @param {object} attributes its properties
 * @param {...(Node | string)} children
 */
export const made = (tag, attributes, ...children) => {
  const out = Object.assign(document.createElement(tag), attributes);
  out.append(...children);
  return out;
};
