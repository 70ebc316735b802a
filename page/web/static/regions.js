// Draws a camera's regions by clicks or numbers, over the lines of whoever is seen.
"use strict";

const WIDTH = 1600, HEIGHT = 900, LOOK_MS = 500, PICTURE_MS = 200, AWAY_MS = 5000, SURE = 0.2;
const BONES = [[5, 7], [7, 9], [6, 8], [8, 10], [5, 6], [11, 13], [13, 15], [12, 14], [14, 16],
  [11, 12], [5, 11], [6, 12], [0, 5], [0, 6]];
const form = document.getElementById("regions");
const picture = document.getElementById("picture");
const kind = document.getElementById("kind");
const byId = (id) => document.getElementById(id);

function make(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

const pointsOf = (corners) => corners.map(([x, y]) => `${x * WIDTH},${y * HEIGHT}`).join(" ");
const nameOf = (label) => [...kind.options].find((each) => each.value === label)?.text ?? label;

function begin() {
  const regions = JSON.parse(form.elements.regions.value);
  let corners = [];

  function show() {
    form.elements.regions.value = JSON.stringify(regions);
    byId("shapes").replaceChildren();
    byId("list").replaceChildren();
    for (const [label, polygons] of Object.entries(regions)) {
      polygons.forEach((polygon, number) => {
        byId("shapes").append(
          make("polygon", { points: pointsOf(polygon), class: `region ${label}` }),
          make("text", { x: polygon[0][0] * WIDTH + 8, y: polygon[0][1] * HEIGHT + 36 }, nameOf(label)),
        );
        const remove = document.createElement("button");
        remove.type = "button";
        remove.textContent = `${form.dataset.remove}: ${nameOf(label)} ${number + 1}`;
        remove.onclick = () => { polygons.splice(number, 1); show(); };
        const item = document.createElement("li");
        item.append(remove);
        byId("list").append(item);
      });
    }
    byId("draft").replaceChildren(
      make("polyline", { points: pointsOf(corners), class: "draft" }),
      ...corners.map(([x, y]) => make("circle", { cx: x * WIDTH, cy: y * HEIGHT, r: 8 })),
    );
  }

  function add(x, y) {
    const share = (value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
    corners.push([share(x), share(y)]);
    show();
  }

  picture.addEventListener("click", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(picture.getScreenCTM().inverse());
    add(at.x / WIDTH, at.y / HEIGHT);
  });
  byId("corner").onclick = () => add(byId("x").value / 100, byId("y").value / 100);
  byId("back").onclick = () => { corners.pop(); show(); };
  byId("close").onclick = () => {
    if (corners.length < 3) return;
    (regions[kind.value] ??= []).push(corners);
    corners = [];
    show();
  };
  form.addEventListener("submit", () => { if (corners.length > 2) byId("close").click(); });
  show();
  look();
}

async function look() {
  try {
    if (!document.hidden) {
      const { points } = await (await fetch(form.dataset.skeleton)).json();
      const [left, top, right, bottom] = JSON.parse(form.dataset.part);
      const at = points.map(([x, y, score]) => (score < SURE ? null
        : [(left + x * (right - left)) * WIDTH, (top + y * (bottom - top)) * HEIGHT]));
      byId("person").replaceChildren(...BONES.filter(([a, b]) => at[a] && at[b]).map(([a, b]) =>
        make("line", { x1: at[a][0], y1: at[a][1], x2: at[b][0], y2: at[b][1] })));
    }
  } catch {
    // The page is away for a moment.
  }
  setTimeout(look, LOOK_MS);
}

// The next picture is asked for a moment after the last has come; none while nobody looks.
function showPictures(still) {
  let number = 0;
  const ask = () => {
    if (document.hidden) setTimeout(ask, LOOK_MS);
    else still.setAttribute("href", `${still.dataset.picture}&n=${number += 1}`);
  };
  still.addEventListener("load", () => setTimeout(ask, PICTURE_MS));
  still.addEventListener("error", () => setTimeout(ask, AWAY_MS));
  ask();
}

if (form) begin();
const still = document.getElementById("still");
if (still) showPictures(still);
