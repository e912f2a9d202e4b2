// Files: what is dropped or chosen, as documents.

const MOST_BYTES = 2_000_000;
const MOST_DOCUMENTS = 200;

/** A Markdown file is one document; of other files every line that is not blank. */
export async function documentsOf(files) {
  const documents = [];
  for (const file of files) {
    if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than 2 MB; index it with: quiver index`);
    const text = await decoded(file);
    const whole = /\.(md|markdown)$/i.test(file.name);
    documents.push(...(whole ? [text] : text.split(/\r?\n/)).filter((part) => part.trim()));
  }
  if (documents.length > MOST_DOCUMENTS) {
    throw new Error(`${documents.length} documents are more than this page draws (${MOST_DOCUMENTS}); use: quiver index`);
  }
  return documents;
}

async function decoded(file) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    throw new Error(`${file.name} is not UTF-8 text`);
  }
}

export function acceptDrops(target, receive) {
  const mark = (on) => (event) => {
    event.preventDefault();
    target.classList.toggle("is-target", on);
  };
  target.addEventListener("dragover", mark(true));
  target.addEventListener("dragleave", mark(false));
  target.addEventListener("drop", (event) => {
    mark(false)(event);
    receive([...event.dataTransfer.files]);
  });
}
