// Cards: an editable list of texts, one box each, with the keyboard alone.

import { element } from "./element.js";

export class Cards {
  constructor(container, mark, label, texts, changed) {
    Object.assign(this, { container, mark, label, changed });
    this.set(texts);
  }

  /** The texts that are not blank, in their order. */
  get texts() {
    return this.boxes.map((box) => box.value).filter((text) => text.trim());
  }

  set(texts) {
    this.container.replaceChildren(...(texts.length ? texts : [""]).map((text) => this.card(text)));
    this.number();
  }

  add(texts) {
    const blank = this.boxes.length === 1 && !this.boxes[0].value.trim();
    this.set(blank ? texts : [...this.boxes.map((box) => box.value), ...texts]);
    this.changed();
  }

  get boxes() {
    return [...this.container.querySelectorAll("textarea")];
  }

  card(text) {
    const box = element("textarea", { rows: 1, spellcheck: "false", dir: "auto" });
    box.value = text;
    const remove = element("button", { type: "button", class: "plain", onclick: () => this.remove(box) }, "×");
    box.addEventListener("input", () => this.changed());
    box.addEventListener("keydown", (event) => this.pressed(event, box));
    box.addEventListener("paste", (event) => this.pasted(event, box));
    return element("div", { class: "card" }, element("span"), box, remove);
  }

  pressed(event, box) {
    const place = this.boxes.indexOf(box);
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      box.parentElement.after(this.card(""));
      this.number();
      this.boxes[place + 1].focus();
    } else if (event.key === "Backspace" && !box.value && this.boxes.length > 1) {
      event.preventDefault();
      this.remove(box);
    }
  }

  pasted(event, box) {
    const lines = event.clipboardData.getData("text").split(/\r?\n/).filter((line) => line.trim());
    if (lines.length < 2) return;
    event.preventDefault();
    box.setRangeText(lines[0], box.selectionStart, box.selectionEnd, "end");
    box.parentElement.after(...lines.slice(1).map((line) => this.card(line)));
    this.number();
    this.changed();
  }

  remove(box) {
    const place = this.boxes.indexOf(box);
    if (this.boxes.length === 1) box.value = "";
    else box.parentElement.remove();
    this.number();
    this.boxes[Math.max(0, place - 1)].focus();
    this.changed();
  }

  number() {
    this.boxes.forEach((box, place) => {
      const [mark, , remove] = box.parentElement.children;
      mark.textContent = `${this.mark}${place + 1}`;
      box.setAttribute("aria-label", `${this.label} ${place + 1}`);
      remove.setAttribute("aria-label", `Remove ${this.label.toLowerCase()} ${place + 1}`);
    });
  }
}
