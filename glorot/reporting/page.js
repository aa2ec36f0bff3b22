"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SVG = "http://www.w3.org/2000/svg";
  const node = (tag, attributes = {}, text = null) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== null) made.textContent = text;
    return made;
  };
  const shape = (tag, attributes = {}, text = null) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== null) made.textContent = text;
    return made;
  };
  const short = (number) => number === null ? "\u2013" : Number(number.toPrecision(4)).toString();

  // Light and dark: as the reader's system has it, until the button says otherwise.
  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const show = (on) => { root.dataset.theme = on ? "dark" : "light"; };
  show(dark.matches);
  dark.addEventListener("change", (event) => show(event.matches));
  document.getElementById("theme").addEventListener("click", () => show(root.dataset.theme !== "dark"));
  window.addEventListener("beforeprint", () => show(false));

  // Tables: a click on a column's name sorts, what is typed filters rows.
  const key = (cell) => {
    const given = cell.dataset.sort;
    if (given !== undefined) return given === "" ? Infinity : Number(given);
    return cell.textContent.trim().toLowerCase();
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number") ? a - b : String(a).localeCompare(String(b));
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = node("button", {type: "button"});
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => (up ? 1 : -1) * compare(key(a.cells[column]), key(b.cells[column])));
        table.tBodies[0].append(...rows);
      });
    });
  }
  for (const input of document.querySelectorAll("input[data-filters]")) {
    const items = [...document.querySelectorAll(input.dataset.filters)];
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const one of items) {
        const text = one.textContent.toLowerCase();
        one.hidden = !words.every((word) => text.includes(word));
      }
    });
  }

  // Curves: series on and off, and the values under the pointer.
  for (const [name, chart] of Object.entries(data.charts)) {
    const figure = document.getElementById("chart-" + name);
    const svg = figure.querySelector("svg.drawn");
    const reading = figure.querySelector(".reading");
    const list = figure.querySelector(".series-list");
    const hidden = new Set();
    chart.labels.forEach(([number, label, color, dashes]) => {
      const item = node("li"), box = node("input", {type: "checkbox", id: `${name}-${number}`});
      box.checked = true;
      const swatch = shape("svg", {class: "swatch", viewBox: "0 0 36 12", "aria-hidden": "true"});
      swatch.append(shape("line", {x1: 0, x2: 36, y1: 6, y2: 6, stroke: color, "stroke-dasharray": dashes}));
      const text = node("label", {for: box.id});
      text.append(swatch, node("bdi", {}, label));
      item.append(box, text);
      list.append(item);
      box.addEventListener("change", () => {
        box.checked ? hidden.delete(number) : hidden.add(number);
        for (const one of svg.querySelectorAll(`[data-number="${number}"]`)) one.classList.toggle("off", !box.checked);
      });
    });
    const names = new Map(chart.labels.map(([number, label]) => [number, label]));
    const read = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      let best = null, least = 400;
      for (const line of chart.lines) {
        if (hidden.has(line.number)) continue;
        line.at.forEach(([x, y], index) => {
          const far = (x - at.x) ** 2 + (y - at.y) ** 2;
          if (far < least) { least = far; best = [line, index]; }
        });
      }
      reading.textContent = "";
      if (best) {
        const [line, index] = best;
        const panel = line.panel ? `, ${line.panel}` : "";
        reading.append(node("bdi", {}, names.get(line.number)), `${panel}: update ${line.x[index].toLocaleString("en")}: ${short(line.y[index])}`);
      }
    };
    svg.addEventListener("pointermove", read);
    svg.addEventListener("pointerdown", read);
  }

  // Inside networks: one value per layer at the update of the slider.
  const inside = document.getElementById("networks");
  if (inside) {
    const select = document.getElementById("network"), slider = document.getElementById("moment");
    const label = document.getElementById("moment-text"), place = inside.querySelector(".layers");
    data.networks.forEach((one, index) => select.append(node("option", {value: index}, one.title)));
    const bars = (title, values, log, most) => {
      const box = node("figure"), width = 240, height = 130, left = 46, bottom = 110;
      const svg = shape("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${values.map(([l, v]) => `layer ${l}: ${short(v)}`).join(", ")}`});
      const known = values.map((pair) => pair[1]).filter((v) => v !== null && (!log || v > 0));
      const low = log ? Math.floor(Math.log10(Math.min(...most.filter((v) => v > 0)))) : 0;
      const high = log ? Math.ceil(Math.log10(Math.max(...most))) : Math.max(...most, 1e-9);
      svg.append(shape("line", {class: "axis", x1: left, x2: width, y1: bottom, y2: bottom}));
      svg.append(shape("text", {x: left - 4, y: 14, "text-anchor": "end"}, log ? `1e${high}` : short(high)));
      svg.append(shape("text", {x: left - 4, y: bottom, "text-anchor": "end"}, log ? `1e${low}` : "0"));
      const wide = (width - left) / values.length;
      values.forEach(([layer, value], index) => {
        const part = value === null || (log && value <= 0) ? 0 : ((log ? Math.log10(value) : value) - low) / ((high - low) || 1);
        const tall = Math.max(0, Math.min(1, part)) * (bottom - 6);
        svg.append(shape("rect", {class: "bar", x: left + index * wide + 2, y: bottom - tall, width: Math.max(1, wide - 4), height: tall}));
        svg.append(shape("text", {x: left + (index + .5) * wide, y: bottom + 12, "text-anchor": "middle"}, layer));
      });
      box.append(node("figcaption", {}, title), svg);
      return known.length ? box : null;
    };
    const draw = () => {
      const one = data.networks[Number(select.value)];
      slider.max = one.updates.length - 1;
      const at = Math.min(Number(slider.value), one.updates.length - 1);
      const update = `update ${one.updates[at].toLocaleString("en")}`;
      label.replaceChildren(node("bdi", {}, one.title), `, ${update}`);
      slider.setAttribute("aria-valuetext", update);
      place.replaceChildren(...one.quantities.map((quantity) => {
        const most = quantity.values.flat().filter((v) => v !== null);
        return most.length ? bars(quantity.title, quantity.values.map((row, l) => [quantity.first + l, row[at]]), quantity.log, most) : null;
      }).filter(Boolean));
    };
    select.addEventListener("change", draw);
    slider.addEventListener("input", draw);
    draw();
  }

  // Runs: what is in a drawer is made when it is opened.
  for (const drawer of document.querySelectorAll("details[data-run]")) {
    drawer.addEventListener("toggle", () => {
      const place = drawer.querySelector(".drawer");
      if (!drawer.open || place.childNodes.length) return;
      const run = data.runs[Number(drawer.dataset.run)];
      for (const facts of [run.settings, run.provenance]) {
        const list = node("dl");
        for (const [name, value] of facts) list.append(node("dt", {}, name), node("dd", {}, value));
        place.append(list);
      }
      const [updates, errors] = run.curve;
      if (updates.length > 1) {
        const most = Math.max(...errors), least = Math.min(...errors), end = updates[updates.length - 1] || 1;
        const points = updates.map((u, i) => `${40 + 190 * u / end},${100 - 90 * (errors[i] - least) / ((most - least) || 1)}`);
        const svg = shape("svg", {viewBox: "0 0 240 120", role: "img", "aria-label": `Test error over updates, from ${short(errors[0])} to ${short(errors[errors.length - 1])} percent`});
        svg.append(shape("polyline", {class: "curve", points: points.join(" ")}));
        svg.append(shape("text", {x: 36, y: 14, "text-anchor": "end"}, short(most)), shape("text", {x: 36, y: 104, "text-anchor": "end"}, short(least)));
        svg.append(shape("text", {x: 230, y: 116, "text-anchor": "end"}, `${end.toLocaleString("en")} updates`));
        const figure = node("figure");
        figure.append(node("figcaption", {}, "test error (%)"), svg);
        place.append(figure);
      }
    });
  }
})();
