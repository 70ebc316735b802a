// Arrow keys go from day to day, + and - zoom, [ and ] go to earlier and later hours.
"use strict";

addEventListener("keydown", (event) => {
  const isTyping = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName);
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  for (const link of document.querySelectorAll("[data-key]")) {
    if (link.dataset.key === event.key) {
      event.preventDefault();
      link.click();
      return;
    }
  }
});
