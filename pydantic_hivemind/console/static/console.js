"use strict";

// Times in the reader's own time zone; without this script they are in UTC.
function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      time.title = moment.toLocaleString();
      time.textContent = moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    }
  }
}

// A level of the tree is fetched when it is opened for the first time.
function lazyLevels(root) {
  for (const level of root.querySelectorAll("details[data-level]")) {
    level.addEventListener("toggle", async () => {
      if (!level.open || level.dataset.loaded) return;
      level.dataset.loaded = "yes";
      const page = await fetched(level.dataset.level);
      const rows = page?.querySelector("#rows");
      const place = level.querySelector("p");
      if (!rows) { place.textContent = page ? "Nothing is under it any more." : "It could not be loaded; try again."; return; }
      rows.removeAttribute("id");
      rows.className = "";
      place.replaceWith(rows);
      localTimes(rows);
      lazyLevels(rows);
    });
  }
}

async function fetched(address) {
  try {
    const response = await fetch(address, { credentials: "same-origin" });
    if (!response.ok) return null;
    return new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return null;
  }
}

// What runs now is looked at again while the page is visible and nobody is working in it.
function live() {
  const shown = document.querySelector("[data-live]");
  if (!shown) return;
  setInterval(async () => {
    const open = shown.querySelector("details[open]");
    if (document.hidden || open || shown.contains(document.activeElement)) return;
    const fresh = (await fetched(location.href))?.querySelector("[data-live]");
    if (!fresh) return;
    localTimes(fresh);
    if (fresh.innerHTML !== shown.innerHTML) shown.innerHTML = fresh.innerHTML;
  }, 5000);
}

// A checkbox in a summary is ticked without opening or closing it.
document.addEventListener("click", (event) => {
  if (event.target.matches("summary input")) event.stopPropagation();
}, true);

localTimes(document);
lazyLevels(document);
live();
