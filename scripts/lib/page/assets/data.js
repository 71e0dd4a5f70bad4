"use strict";
// The page's data: packed JSON parts, in the page or in files beside it, read when a view needs them.
const redpen = (() => {
  const packed = new Map();
  const values = new Map();
  const files = new Map();
  for (const script of document.querySelectorAll("script[data-part]")) packed.set(script.dataset.part, script.textContent);

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  // A file beside the page calls add() for each of its parts; it is loaded once.
  function load(file) {
    if (!files.has(file)) {
      files.set(file, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = file;
        script.onload = done;
        script.onerror = () => failed(new Error(`${file} is missing beside this page. Copy the folder study/ together with the page.`));
        document.head.append(script);
      }));
    }
    return files.get(file);
  }

  async function fetched(name) {
    if (!packed.has(name)) {
      const file = redpen.core && redpen.core.beside[name];
      if (!file) return null;
      await load(file);
    }
    return unpack(packed.get(name));
  }

  return {
    core: null,
    add: (name, text) => packed.set(name, text),
    has: (name) => packed.has(name) || name in redpen.core.beside,
    read(name) {
      if (!values.has(name)) values.set(name, fetched(name));
      return values.get(name);
    },
  };
})();
globalThis.redpen = redpen;
