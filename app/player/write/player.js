// The page around the player: it gives what a person does to the program in the page (the
// object fabriscope, see app/player/page) and shows its pixels and texts. Nothing is decided
// here that the program could decide.
(() => {
  "use strict";
  const $ = (id) => document.getElementById("p-" + id);
  const root = document.getElementById("player");
  const panels = [$("stage"), $("timeline"), $("chain")];
  const query = new URLSearchParams(location.search);
  const prefer = (q) => matchMedia(q).matches;
  const look = { light: query.has("light") || (!query.has("dark") && prefer("(prefers-color-scheme: light)")), still: prefer("(prefers-reduced-motion: reduce)"),
    language: query.get("lang") || navigator.language || "en" };
  let program = null, words = {}, state = {}, dirty = true, last = 0, shownAt = "", markupKey = "", found = [], marked = 0;

  // Bytes stand in the page as text: five characters of an alphabet of 85 for four bytes.
  const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%()*+,-./:;=?@[]^_`{|}~";
  const decode = (text) => {
    const value = new Uint8Array(128);
    for (let i = 0; i < 85; i++) value[alphabet.charCodeAt(i)] = i;
    const at = text.indexOf(" "), length = +text.slice(0, at);
    const out = new Uint8Array(Math.ceil(length / 4) * 4), view = new DataView(out.buffer);
    for (let i = at + 1, o = 0; o < length; i += 5, o += 4) {
      let n = 0;
      for (let j = 0; j < 5; j++) n = n * 85 + value[text.charCodeAt(i + j)];
      view.setUint32(o, n);
    }
    return out.subarray(0, length);
  };
  const unzip = async (bytes) => new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  const part = (id, from = document) => { const e = from.getElementById(id); return e && e.textContent.trim(); };
  const frame = () => new Promise((done) => requestAnimationFrame(done));

  const fail = (why) => { document.documentElement.classList.remove("playing"); root.hidden = true; const n = document.createElement("p"); n.className = "gaps"; n.id = "p-failed"; n.textContent = why; document.querySelector("main").prepend(n); };

  const start = async () => {
    if (typeof WebAssembly !== "object" || typeof DecompressionStream !== "function") return fail(root.dataset.slow);
    root.hidden = false;
    document.documentElement.classList.add("playing");
    root.classList.toggle("light", look.light);
    if (window.self !== window.top || query.has("compact")) root.classList.add("compact");
    $("said").textContent = root.dataset.reading;
    await frame(); await frame();
    let packed = part("run-data");
    if (query.get("run")) packed = part("run-data", new DOMParser().parseFromString(await (await fetch(query.get("run"))).text(), "text/html"));
    if (!packed) return fail(root.dataset.none);
    const go = new Go();
    const ready = new Promise((done) => { window.fabriscopeReady = done; });
    const { instance } = await WebAssembly.instantiate(await unzip(decode(part("program-data"))), go.importObject);
    go.run(instance);
    await ready;
    program = window.fabriscope;
    const wrong = program.open(await unzip(decode(packed)));
    if (wrong) return fail(wrong);
    restyle();
    if (location.hash) program.goTo(location.hash);
    for (let share = 0; share < 1; ) {
      share = program.load(8);
      if (typeof share === "string") return fail(share);
      $("progress").value = share;
      await frame();
    }
    $("cover").hidden = true;
    listen();
    root.dataset.ready = "yes";
    requestAnimationFrame(tick);
  };

  const restyle = () => {
    program.look(look.light, look.still, look.language);
    root.classList.toggle("light", look.light);
    words = JSON.parse(program.words());
    for (const e of root.querySelectorAll("[data-word]")) {
      const text = words[e.dataset.word];
      e.setAttribute("aria-label", text);
      e.title = text;
      if (e.type === "search") e.placeholder = text;
    }
    state = JSON.parse(program.state());
    root.lang = state.language;
    $("language").textContent = state.language.toUpperCase();
    markupKey = "";
    dirty = true;
  };

  // paint draws the panels in device pixels.
  const images = [null, null, null];
  const paint = () => {
    const k = Math.min(window.devicePixelRatio || 1, 3);
    panels.forEach((c, i) => {
      const w = Math.round(c.clientWidth * k), h = Math.round(c.clientHeight * k);
      if (w < 2 || h < 2) return;
      if (!images[i] || c.width !== w || c.height !== h) {
        c.width = w; c.height = h;
        images[i] = new ImageData(w, h);
      }
      if (program.paint(i, w, h, k, new Uint8Array(images[i].data.buffer))) c.getContext("2d").putImageData(images[i], 0, 0);
    });
  };

  const show = () => {
    state = JSON.parse(program.state());
    $("name").textContent = state.name;
    $("sign").setAttribute("d", state.playing ? "M5 4h3v12H5zM12 4h3v12h-3z" : "M6 4l10 6-10 6z");
    $("pace").textContent = state.pace;
    $("scale").value = state.scale * 1000;
    $("caption").textContent = state.caption;
    panels[0].setAttribute("aria-label", words.stage + ": " + state.caption);
    $("clock").textContent = state.clock;
    const [at, first, final] = state.position, position = $("position");
    position.min = first; position.max = final; position.value = at;
    position.setAttribute("aria-valuetext", state.clock);
    if ($("gauges").childElementCount !== 4) $("gauges").innerHTML = "<span><b></b><small></small></span>".repeat(4);
    state.gauges.forEach((g, i) => { const e = $("gauges").children[i]; e.children[0].textContent = g.value; e.children[1].textContent = g.name; });
    const key = state.address + state.language;
    if (key !== markupKey && (!state.playing || performance.now() - shownMarkup > 250)) {
      markupKey = key; shownMarkup = performance.now();
      const html = program.markup();
      $("inspector").innerHTML = html || "<p class=weak></p>";
      if (!html) $("inspector").firstChild.textContent = words.nothing + " " + state.span;
    }
    if (!state.playing && state.address !== shownAt && window.self === window.top) {
      shownAt = state.address;
      history.replaceState(null, "", "#" + state.address);
    }
  };
  let shownMarkup = 0;

  const tick = (now) => {
    const dt = Math.min(now - last, 250);
    last = now;
    if (program.tick(dt) || dirty) {
      dirty = false;
      paint();
      show();
    }
    requestAnimationFrame(tick);
  };
  const changed = () => { dirty = true; };
  const press = (key, shift = false) => { const did = program.key(key, shift); changed(); return did; };
  const toast = (text) => { const t = $("toast"); t.textContent = text; t.classList.add("on"); setTimeout(() => t.classList.remove("on"), 1600); };

  const listen = () => {
    addEventListener("resize", changed);
    addEventListener("hashchange", () => { program.goTo(location.hash); changed(); });
    addEventListener("keydown", (e) => {
      const typing = e.target.matches("input, select, textarea, dialog *");
      if (e.ctrlKey && e.key === "k" || e.key === "/" && !typing) { $("search").focus(); e.preventDefault(); return; }
      if (e.ctrlKey || e.metaKey || e.altKey || typing) return;
      if (e.key === "?") { help(); return; }
      if ((e.key === "Enter" || e.key === " ") && e.target.matches("button, a, summary")) return;
      if ((e.key === "ArrowUp" || e.key === "ArrowDown" || e.key.startsWith("Page") || e.key === "Home" || e.key === "End") && e.target === $("inspector")) return;
      if (press(e.key, e.shiftKey)) e.preventDefault();
    });
    root.addEventListener("click", (e) => {
      const button = e.target.closest("[data-key]"), link = e.target.closest("[data-link]");
      if (button) press(button.dataset.key);
      if (link) { program.follow(+link.dataset.link); changed(); e.preventDefault(); }
    });
    root.addEventListener("change", (e) => { if (e.target.dataset.find) { program.find(e.target.value); markupKey = ""; changed(); } });
    $("position").addEventListener("input", (e) => { program.seek(+e.target.value); changed(); });
    $("scale").addEventListener("input", (e) => { program.scale(e.target.value / 1000); changed(); });
    $("theme").addEventListener("click", () => { look.light = !look.light; restyle(); });
    $("language").addEventListener("click", () => { const all = root.dataset.languages.split(" "); look.language = all[(all.indexOf(state.language) + 1) % all.length]; restyle(); });
    $("report").addEventListener("click", () => { document.documentElement.classList.toggle("playing"); root.hidden = !root.hidden; });
    document.getElementById("to-player").addEventListener("click", () => { document.documentElement.classList.add("playing"); root.hidden = false; changed(); });
    $("help").addEventListener("click", help);
    $("link").addEventListener("click", async () => {
      const url = location.href.split("#")[0] + "#" + state.address;
      history.replaceState(null, "", "#" + state.address);
      try { await navigator.clipboard.writeText(url); toast(words.copied); } catch { prompt(words.link, url); }
    });
    finder();
    panels.forEach(pointer);
  };
  const help = () => { $("dialog-text").textContent = words.help; $("dialog").showModal(); };

  // finder is the search field with its list.
  const finder = () => {
    const field = $("search"), list = $("found");
    const fill = () => {
      found = JSON.parse(program.search(field.value)) || [];
      marked = 0;
      list.replaceChildren(...found.map((f, i) => {
        const li = document.createElement("li"), note = document.createElement("small");
        li.append(f.title, note);
        note.textContent = f.note;
        li.role = "option";
        li.addEventListener("pointerdown", (e) => { e.preventDefault(); take(i); });
        return li;
      }));
      mark();
      list.hidden = found.length === 0;
      field.setAttribute("aria-expanded", String(!list.hidden));
    };
    const mark = () => [...list.children].forEach((li, i) => { li.classList.toggle("on", i === marked); li.setAttribute("aria-selected", String(i === marked)); });
    const take = (i) => { program.choose(i); list.hidden = true; field.blur(); changed(); };
    field.addEventListener("input", fill);
    field.addEventListener("blur", () => { list.hidden = true; });
    field.addEventListener("keydown", (e) => {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") { marked = Math.max(0, Math.min(found.length - 1, marked + (e.key === "ArrowDown" ? 1 : -1))); mark(); e.preventDefault(); }
      if (e.key === "Enter" && found.length) take(marked);
      if (e.key === "Escape") { field.value = ""; list.hidden = true; field.blur(); }
    });
  };

  // pointer gives mouse, pen and fingers on a panel to the program; two fingers zoom.
  const pointer = (canvas, panel) => {
    const fingers = new Map();
    let tapped = 0, tappedAt = [0, 0], apart = 0;
    const at = (e) => { const r = canvas.getBoundingClientRect(), k = canvas.width / r.width; return [(e.clientX - r.left) * k, (e.clientY - r.top) * k]; };
    const span = () => { const [a, b] = [...fingers.values()]; return [Math.hypot(a[0] - b[0], a[1] - b[1]), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2]; };
    canvas.addEventListener("pointerdown", (e) => {
      if (e.button !== 0) return;
      canvas.setPointerCapture(e.pointerId);
      fingers.set(e.pointerId, at(e));
      if (fingers.size === 2) apart = span()[0]; else program.down(panel, ...at(e));
      changed();
    });
    canvas.addEventListener("pointermove", (e) => {
      if (!fingers.has(e.pointerId)) return;
      fingers.set(e.pointerId, at(e));
      if (fingers.size === 2) {
        const [d, x, y] = span();
        if (d > 0 && apart > 0) program.wheel(panel, x, y, 0, -400 * Math.log(d / apart) * (window.devicePixelRatio || 1), false);
        apart = d;
      } else if (!program.move(panel, ...at(e))) return;
      changed();
    });
    const end = (e) => {
      if (!fingers.delete(e.pointerId)) return;
      const [x, y] = at(e), now = performance.now();
      const double = now - tapped < 350 && Math.hypot(x - tappedAt[0], y - tappedAt[1]) < 12;
      tapped = double ? 0 : now; tappedAt = [x, y];
      program.up(panel, x, y, double);
      changed();
    };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("wheel", (e) => {
      e.preventDefault();
      const k = (window.devicePixelRatio || 1) * (e.deltaMode === 1 ? 20 : 1);
      program.wheel(panel, ...at(e), e.deltaX * k, e.deltaY * k, e.shiftKey);
      changed();
    }, { passive: false });
  };

  start().catch((e) => fail(String(e)));
})();
