// A page that is served asks whether it has changed, and takes over what is new; where its reader is, it stays.
(() => {
  const news = document.body.dataset.news, every = 4000, line = document.getElementById("news");
  let version = Number(document.body.dataset.version), isFetching = false;

  async function ask() {
    if (document.hidden || isFetching) return;
    isFetching = true;
    try {
      const found = await (await get(news)).json();
      tell(found.words);
      if (found.version !== version && !isBusy()) {
        take(new DOMParser().parseFromString(await (await get(location.pathname)).text(), "text/html"));
      }
    } catch {
      tell(["Nobody answers: the dashboard was ended, or can't be reached. What is shown stays as it was."]);
    } finally {
      isFetching = false;
    }
  }

  async function get(address) {
    const answer = await fetch(address, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer;
  }

  function tell(words) {
    if (line.textContent !== words.join("\n")) line.textContent = words.join("\n");
  }

  // While something is turned or marked, it is not taken away.
  function isBusy() {
    return !getSelection().isCollapsed || viewers().some((one) => one.isTouched());
  }

  function viewers() {
    return [...document.querySelectorAll(".viewer")];
  }

  function take(page) {
    const kept = keep();
    for (const fresh of page.querySelectorAll("main section, main article")) {
      const old = fresh.id ? document.getElementById(fresh.id) : document.querySelector(".openings");
      if (!old || fresh.querySelector("article") || same(old, fresh)) continue;
      old.replaceWith(document.importNode(fresh, true));
    }
    version = Number(page.body.dataset.version);
    document.querySelectorAll(".viewer").forEach((one) => one.redraw || showStructures(one));
    kept.forEach((restore) => restore());
  }

  // A viewer has put its buttons into what came, and details may be open.
  function same(old, fresh) {
    const plain = old.cloneNode(true);
    plain.querySelectorAll(".chosen, .words").forEach((one) => one.replaceChildren());
    plain.querySelectorAll("canvas").forEach((one) => ["width", "height"].forEach((name) => one.removeAttribute(name)));
    plain.querySelectorAll("details").forEach((one) => one.removeAttribute("open"));
    return plain.outerHTML === fresh.outerHTML;
  }

  // What a reader has done, as functions that do it again on the new page.
  function keep() {
    const blocks = [...document.querySelectorAll("main article, main section")];
    const first = blocks.find((one) => one.getBoundingClientRect().bottom > 0 && !one.querySelector("article"));
    const top = first && first.getBoundingClientRect().top, at = blocks.indexOf(first);
    const restores = [
      ...places("details", (one) => one.open, (one, open) => { one.open = open; }),
      ...places(".panels", (one) => one.scrollLeft, (one, left) => { one.scrollLeft = left; }),
      ...places("pre", (one) => one.scrollLeft, (one, left) => { one.scrollLeft = left; }),
      ...places(".viewer", (one) => one.view(), (one, view) => one.look(view)),
    ];
    const kinds = "main a, main button, main canvas, main summary";
    const focus = [...document.querySelectorAll(kinds)].indexOf(document.activeElement);
    if (focus >= 0) restores.push(() => document.querySelectorAll(kinds)[focus]?.focus({ preventScroll: true }));
    restores.push(() => {
      const now = document.querySelectorAll("main article, main section")[at];
      if (now) window.scrollBy({ top: now.getBoundingClientRect().top - top, behavior: "instant" });
    });
    return restores;
  }

  // Things of one kind by the block that they are in and their place there.
  function places(kind, read, write) {
    return [...document.querySelectorAll(`main ${kind}`)].map((one) => {
      const block = one.closest("article, section").id, value = read(one);
      const place = [...document.getElementById(block).querySelectorAll(kind)].indexOf(one);
      return () => {
        const now = document.getElementById(block)?.querySelectorAll(kind)[place];
        if (now) write(now, value);
      };
    });
  }

  setInterval(ask, every);
  document.addEventListener("visibilitychange", ask);
  ask();
})();
