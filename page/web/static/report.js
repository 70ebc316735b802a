// While the forecasts are being judged, looks again now and then, and shows the outcome.
"use strict";

const LOOK_MS = 5000;

async function look() {
  try {
    const answer = await fetch(location.href);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.ok && !fresh.querySelector("[data-waiting]")) {
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      return;
    }
  } catch {
    // The page is away for a moment.
  }
  setTimeout(look, LOOK_MS);
}

if (document.querySelector("[data-waiting]")) setTimeout(look, LOOK_MS);
