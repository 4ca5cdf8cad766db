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

// The level under a workspace opens in the tree; without this script the link leads to a page of it.
function lazyLevels(root) {
  for (const toggle of root.querySelectorAll("a[data-level]")) {
    toggle.setAttribute("role", "button");
    toggle.setAttribute("aria-expanded", "false");
    const open = async (event) => {
      event.preventDefault();
      const item = toggle.closest("li");
      let rows = item.querySelector(":scope > ul");
      if (!rows) {
        const page = await fetched(toggle.href);
        if (!page) return location.assign(toggle.href);
        rows = page.querySelector("#rows") ?? document.createElement("ul");
        rows.removeAttribute("id");
        rows.className = "";
        rows.hidden = true;
        item.append(rows);
        localTimes(rows);
        lazyLevels(rows);
      }
      rows.hidden = !rows.hidden;
      toggle.setAttribute("aria-expanded", String(!rows.hidden));
    };
    toggle.addEventListener("click", open);
    toggle.addEventListener("keydown", (event) => { if (event.key === " ") open(event); });
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

localTimes(document);
lazyLevels(document);
live();
