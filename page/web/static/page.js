// Keeps a page up to date: each part that has changed is replaced as the page sends it.
"use strict";

const away = document.getElementById("away");
const events = new EventSource(new URL(document.currentScript.dataset.events, document.baseURI));

events.onopen = () => { away.hidden = true; };

// The browser connects again by itself, but not after an answer that it does not understand.
events.onerror = () => {
  away.hidden = false;
  if (events.readyState === EventSource.CLOSED) {
    setTimeout(() => location.reload(), 10000);
  }
};

events.onmessage = (message) => {
  for (const [name, part] of Object.entries(JSON.parse(message.data))) {
    const section = document.getElementById(name);
    if (section && section.dataset.version !== part.version) {
      const isFilledIn = section.contains(document.activeElement)
        && document.activeElement.tagName === "INPUT";
      if (isFilledIn) continue; // somebody is choosing a date
      const focused = section.contains(document.activeElement)
        ? [...section.querySelectorAll("a, button")].indexOf(document.activeElement) : -1;
      section.innerHTML = part.html;
      section.dataset.version = part.version;
      if (focused >= 0) section.querySelectorAll("a, button")[focused]?.focus();
    }
  }
};

addEventListener("pagehide", () => events.close());
