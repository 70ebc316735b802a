// While something is recorded or learned, looks again now and then, and shows how far it is.
"use strict";

const LOOK_MS = 2000;

async function look() {
  try {
    const answer = await fetch(location.href);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const learning = fresh.getElementById("learning");
    if (answer.ok && learning) {
      if (!fresh.querySelector("[data-waiting]")) {
        location.reload();
        return;
      }
      document.getElementById("learning").replaceWith(learning);
    }
  } catch {
    // The page is away for a moment.
  }
  setTimeout(look, LOOK_MS);
}

if (document.querySelector("[data-waiting]")) setTimeout(look, LOOK_MS);
