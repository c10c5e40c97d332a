// The site works without this file. With it, progress bars move, times are local, and a heart
// answers without loading the page again.
"use strict";

const now = () => Date.now() / 1000;

for (const time of document.querySelectorAll("time[data-at]")) {
  time.textContent = new Date(time.dataset.at * 1000)
    .toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

function advance() {
  for (const bar of document.querySelectorAll("progress[data-started]")) {
    bar.value = Math.min(now(), bar.dataset.ends) - bar.dataset.started;
  }
}
advance();
setInterval(advance, 1000);

// When the track on a station's page ends, the next one is on.
const air = document.querySelector("[data-next]");
if (air) {
  const wait = (air.dataset.next - now()) * 1000 + 1000 + Math.random() * 2000;
  setTimeout(() => location.reload(), Math.max(wait, 5000));
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest(".heart");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  const keep = button.value === "yes";
  button.disabled = true;
  try {
    const answer = await fetch(`${form.getAttribute("action")}?format=json`, {
      method: keep ? "PUT" : "DELETE",
    });
    if (answer.status === 401) {
      location.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    const state = await answer.json();
    button.value = state.favourite ? "no" : "yes";
    button.setAttribute("aria-pressed", state.favourite);
    button.title = state.favourite ? "Remove from favourites" : "Add to favourites";
    const station = button.getAttribute("aria-label").split(": ").slice(1).join(": ");
    button.setAttribute("aria-label", `${button.title}: ${station}`);
    form.querySelector(".number").textContent = state.favourites.toLocaleString("en");
  } catch {
    button.title = "That did not work. Please try again.";
  } finally {
    button.disabled = false;
  }
});
