"use strict";

// Light or dark, other than the system says.
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  document.querySelectorAll(".viewer").forEach((one) => one.redraw());
});

// A structure that can be turned: spheres and bonds, the far ones first.
function showStructures(home) {
  const structures = JSON.parse(home.querySelector("script").textContent);
  const canvas = home.querySelector("canvas"), context = canvas.getContext("2d");
  const touching = new Map();
  let shown, matrix, scale, apart = 0;

  function choose(index) {
    shown = structures[index];
    matrix = times(turn(0, 0.5), turn(1, 0.4));
    const ends = [...shown.positions, ...shown.cell.flat()];
    const reach = Math.max(1.5, ...ends.map((end) => Math.hypot(...end))) + 1;
    scale = Math.min(canvas.clientWidth, canvas.clientHeight) / 2 / reach;
    home.querySelector(".words").textContent = `${shown.title}: ${shown.words}`;
    home.querySelectorAll(".chosen button").forEach((one, n) => one.setAttribute("aria-pressed", String(n === index)));
    draw();
  }

  function place([x, y, z]) {
    const [right, up, near] = matrix.map((row) => row[0] * x + row[1] * y + row[2] * z);
    return [canvas.clientWidth / 2 + scale * right, canvas.clientHeight / 2 - scale * up, near];
  }

  function draw() {
    const density = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    const [ink, muted, orange] = ["--ink", "--muted", "--orange"].map((name) => style.getPropertyValue(name).trim());
    canvas.width = canvas.clientWidth * density;
    canvas.height = canvas.clientHeight * density;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    context.lineCap = "round";
    for (const [a, b] of shown.cell) line(place(a), place(b), muted, 1);
    const places = shown.positions.map(place);
    const things = places.map((at, atom) => [at[2], () => sphere(at, atom, ink, orange)]);
    for (const [a, b] of shown.bonds) things.push([(places[a][2] + places[b][2]) / 2 - 0.1, () => bond(a, b, places)]);
    things.sort((one, other) => one[0] - other[0]).forEach(([, paint]) => paint());
  }

  function line([x1, y1], [x2, y2], colour, width) {
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }

  function bond(a, b, places) {
    const middle = [(places[a][0] + places[b][0]) / 2, (places[a][1] + places[b][1]) / 2];
    for (const end of [a, b]) line(places[end], middle, shown.kinds[shown.numbers[end]].colour, Math.max(2, 0.17 * scale));
  }

  function sphere([x, y], atom, ink, orange) {
    const kind = shown.kinds[shown.numbers[atom]], radius = scale * (0.12 + 0.3 * kind.radius);
    const light = context.createRadialGradient(x - radius / 3, y - radius / 3, radius / 8, x, y, radius);
    light.addColorStop(0, "#ffffff");
    light.addColorStop(0.35, kind.colour);
    light.addColorStop(1, kind.colour);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = light;
    context.fill();
    context.strokeStyle = ink;
    context.globalAlpha = 0.35;
    context.lineWidth = 1;
    context.stroke();
    context.globalAlpha = 1;
    if (atom === shown.worst) {
      context.beginPath();
      context.arc(x, y, radius + 4, 0, 2 * Math.PI);
      context.strokeStyle = orange;
      context.lineWidth = 3;
      context.stroke();
    }
  }

  function turnBy(right, up) {
    matrix = times(turn(1, right), times(turn(0, up), matrix));
    draw();
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    touching.set(event.pointerId, event);
    apart = distance();
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = touching.get(event.pointerId);
    if (!before) return;
    touching.set(event.pointerId, event);
    if (touching.size === 1) {
      turnBy((event.clientX - before.clientX) / 120, (event.clientY - before.clientY) / 120);
    } else {
      const now = distance();
      if (apart > 0) scale *= now / apart;
      apart = now;
      draw();
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => touching.delete(event.pointerId));
  }
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    scale *= Math.exp(-event.deltaY / 600);
    draw();
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (!step) return;
    event.preventDefault();
    turnBy(...step);
  });

  function distance() {
    const [one, other] = [...touching.values()];
    return other ? Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) : 0;
  }

  structures.forEach((one, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${index + 1}`;
    button.title = one.title;
    button.addEventListener("click", () => choose(index));
    home.querySelector(".chosen").append(button);
  });
  home.redraw = draw;
  home.isTouched = () => touching.size > 0;
  home.view = () => ({ title: shown.title, matrix, scale });
  home.look = (view) => {
    const index = structures.findIndex((one) => one.title === view.title);
    if (index < 0) return;
    choose(index);
    [matrix, scale] = [view.matrix, view.scale];
    draw();
  };
  new ResizeObserver(draw).observe(canvas);
  choose(0);
}

// Rotation about x (0) or y (1) by an angle.
function turn(axis, angle) {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return axis === 0 ? [[1, 0, 0], [0, c, -s], [0, s, c]] : [[c, 0, s], [0, 1, 0], [-s, 0, c]];
}

function times(a, b) {
  return a.map((row) => [0, 1, 2].map((column) => row.reduce((sum, value, n) => sum + value * b[n][column], 0)));
}

document.querySelectorAll(".viewer").forEach(showStructures);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.querySelectorAll(".viewer").forEach((one) => one.redraw());
});
