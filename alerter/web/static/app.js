// What a page does beyond showing itself: it asks again, says when it could not, makes times relative, and listens to
// a few keys. Everything else works without it.
"use strict";
(() => {
  const REFRESH_MS = 15000;
  const STALE_MS = 30000;
  let fresh = Date.now();

  const spans = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const relative = (seconds) => {
    const size = Math.abs(seconds);
    const [length, unit] = spans.find(([length]) => size >= length) || [1, "s"];
    const text = `${Math.floor(size / length)} ${unit}`;
    return seconds >= 0 ? `${text} ago` : `in ${text}`;
  };
  const tellTimes = () => {
    // The clock of a simulated day stands still.
    const now = Date.parse(page()?.dataset.now) || Date.now();
    for (const each of document.querySelectorAll("time[data-relative]")) {
      each.textContent = relative((now - Date.parse(each.dateTime)) / 1000);
    }
  };

  const page = () => document.getElementById("page");
  const setStale = (isStale) => {
    document.documentElement.classList.toggle("is-stale", isStale);
    if (isStale) {
      const since = new Date(fresh).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
      const text = `not updated since ${since}`;
      const bar = document.querySelector(".stale");
      if (bar && bar.textContent !== text) bar.textContent = text;
      if (!document.title.startsWith("✕ ")) document.title = `✕ ${document.title}`;
    }
  };
  const ask = (address) => htmx.ajax("GET", address, { target: "#page", select: "#page", swap: "outerMorph" });

  document.addEventListener("htmx:before:swap", (event) => {
    const status = event.detail.ctx.response.status;
    if (status >= 400 && event.detail.ctx.request.method === "GET") event.preventDefault();
  });
  document.addEventListener("htmx:after:request", (event) => {
    if (event.detail.ctx.response.status < 400) {
      fresh = Date.now();
      setStale(false);
    }
  });
  document.addEventListener("htmx:after:swap", () => {
    tellTimes();
    draw();
  });
  const isAsked = () => page() && page().dataset.refresh !== undefined;
  const refresh = () => {
    if (!isAsked()) return;
    if (document.visibilityState === "visible") ask(window.location.href);
  };
  document.addEventListener("visibilitychange", refresh);
  window.setInterval(refresh, REFRESH_MS);
  window.setInterval(() => {
    tellTimes();
    if (isAsked() && document.visibilityState === "visible" && Date.now() - fresh > STALE_MS) setStale(true);
  }, 1000);

  // Filters and previews follow what is typed; the URL holds all of it.
  let waiting;
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-live]");
    if (!form) return;
    window.clearTimeout(waiting);
    waiting = window.setTimeout(() => {
      const query = new URLSearchParams();
      for (const [name, value] of new FormData(form)) if (value && name !== "comment") query.append(name, value);
      const address = `${window.location.pathname}?${query}`;
      window.history.replaceState(null, "", address);
      ask(address);
    }, 250);
  });

  // Keys: never needed, never with a modifier, never while typing.
  const rows = () => [...document.querySelectorAll("tbody a.row")];
  const move = (step) => {
    const links = rows();
    if (!links.length) return;
    const now = links.indexOf(document.activeElement);
    links[Math.min(Math.max(now + step, 0), links.length - 1)].focus();
  };
  const keys = {
    "/": () => document.querySelector("input[type=search]")?.focus(),
    j: () => move(1),
    k: () => move(-1),
    a: () => document.querySelector("[data-key=a]")?.focus(),
    s: () => document.querySelector("[data-key=s]")?.click(),
    "?": () => document.querySelector("[data-key=help]")?.click(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select")) return;
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    }
  });

  // A chart that can be zoomed takes the place of the drawn one.
  const resolve = (name) => {
    const probe = document.createElement("span");
    probe.className = name;
    document.body.append(probe);
    const found = window.getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const draw = () => {
    const place = document.querySelector(".plot[data-zoom]");
    if (!place || place.dataset.drawn || !window.uPlot) return;
    const figure = JSON.parse(document.getElementById("figure").textContent);
    const zone = figure.timezone;
    const clock = (format) => {
      const made = new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...format });
      return (seconds) => made.format(new Date(seconds * 1000));
    };
    const time = clock({ hour: "2-digit", minute: "2-digit", hour12: false });
    const day = clock({ day: "numeric", month: "short" });
    const whole = clock({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
    const soft = resolve("soft");
    const link = resolve("ink-link");
    const line = resolve("ink-line");
    const limits = (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.globalAlpha = 0.13;
      ctx.fillStyle = soft;
      for (const gap of figure.gaps) {
        const from = Math.max(plot.valToPos(gap.start, "x", true), bbox.left);
        const to = Math.min(plot.valToPos(gap.end, "x", true), bbox.left + bbox.width);
        if (to > from) ctx.fillRect(from, bbox.top, to - from, bbox.height);
      }
      ctx.globalAlpha = 1;
      ctx.textBaseline = "bottom";
      for (const limit of figure.limits) {
        if (limit.count > plot.scales.y.max) continue;
        const y = Math.round(plot.valToPos(limit.count, "y", true));
        ctx.strokeStyle = ctx.fillStyle = resolve(`sev ${limit.severity}`);
        ctx.setLineDash([6, 5]);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        ctx.setLineDash([]);
        ctx.font = `${11.5 * window.devicePixelRatio}px system-ui`;
        // At the left: at the right is what people look at, the newest counts.
        ctx.textAlign = "left";
        ctx.fillText(limit.text, bbox.left + 4, y - 3 * window.devicePixelRatio);
      }
      for (const [row, bands] of [figure.alerts, figure.mutes].entries()) {
        for (const band of bands) {
          const from = Math.max(plot.valToPos(band.start, "x", true), bbox.left);
          const to = Math.min(plot.valToPos(band.end, "x", true), bbox.left + bbox.width);
          if (to < from) continue;
          ctx.fillStyle = resolve(band.severity ? `sev ${band.severity}` : "soft");
          ctx.fillRect(from, bbox.top + 2 + row * 9 * window.devicePixelRatio, Math.max(to - from, 2), 6 * window.devicePixelRatio);
        }
      }
      ctx.restore();
    };
    const drawn = place.querySelector("svg");
    const width = place.clientWidth - 20;
    const step = figure.times.length > 1 ? uPlot.paths.stepped({ align: 1 }) : undefined;
    const box = document.createElement("div");
    const plot = new uPlot({
      width,
      height: Math.max(220, Math.round(width * 0.3)),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      cursor: { bind: { dblclick: (shown) => () => shown.setScale("x", { min: figure.start, max: figure.end }) } },
      scales: { x: { time: true, min: figure.start, max: figure.end }, y: { range: (_u, _low, high) => [0, Math.max(high || 0, figure.top) * 1.05] } },
      axes: [
        { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, values: (u, ticks) => ticks.map((each) => (time(each) === "00:00" ? day(each) : u.scales.x.max - u.scales.x.min > 4 * 86400 ? "" : time(each))) },
        { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: 64, values: (_u, ticks) => ticks.map((each) => each.toLocaleString("en")) },
      ],
      series: [
        { value: (_u, seconds) => (seconds === null ? "" : whole(seconds)), label: "at" },
        { label: "held", stroke: link, width: 1.6, paths: step, points: { show: false }, spanGaps: false, value: (_u, count) => (count === null ? "no data" : count.toLocaleString("en")) },
      ],
      hooks: { draw: [limits] },
    }, [figure.times, figure.counts], box);
    place.append(box);
    if (drawn) drawn.remove();
    place.dataset.drawn = "yes";
    place.uplot = plot;
    window.addEventListener("resize", () => plot.setSize({ width: place.clientWidth - 20, height: plot.height }));
  };

  document.documentElement.classList.add("has-js");
  const chosen = new URLSearchParams(window.location.search).get("scheme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.scheme = chosen;
  tellTimes();
  draw();
})();
