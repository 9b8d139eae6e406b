"use strict";
(() => {
  const page = JSON.parse(document.getElementById("numbers").textContent);
  const at = id => document.getElementById(id);
  const PHASES = ["free", "plus", "minus"];
  const NAMES = ["free phase", "nudge +β", "nudge −β"];
  const SPEED = 14;  // frames in a second
  const LEVELS = 16;

  // Numbers -----------------------------------------------------------------------------------------------------------

  function decoded(part) {
    const {buffer} = Uint8Array.from(atob(part.data), letter => letter.charCodeAt(0));
    if (part.type === "int8") return new Int8Array(buffer);
    if (part.type === "float32") return new Float32Array(buffer);
    return Float64Array.from(new Uint16Array(buffer), code => part.low + (part.high - part.low) * code / 65535);
  }

  const frames = Object.fromEntries(Object.entries(page.frames).map(([name, part]) => [name, decoded(part)]));
  const offsets = [];
  let width = 0;  // drawn units of a frame
  for (const layer of page.layers) { offsets.push(width); width += layer.units.length; }
  const outputs = page.layers.length - 1;
  const samples = page.samples.map(sample => ({...sample, inputs: decoded(sample.inputs)}));
  const landscapes = page.landscapes.map(row => row.map(one => one && {...one, energy: decoded(one.energy), cost: decoded(one.cost)}));
  const ranges = {strength: page.strengths, scale: page.scales, temperature: page.temperatures, sample: samples};

  const here = {sample: 0, strength: page.strengths.length - 1, scale: page.scales.length - 1, temperature: 0, frame: 0};
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    const index = Number(value);
    if (key in here && Number.isInteger(index) && index >= 0 && index < (ranges[key] || {length: Infinity}).length) here[key] = index;
  }

  function phases() {
    const run = page.runs[here.scale][here.temperature][here.sample];
    return [run.free, ...run.nudged[here.strength]];
  }
  const total = () => phases().reduce((sum, one) => sum + one.frames, 0);
  function place(frame) {
    let sweep = frame, index = 0;
    for (const one of phases()) {
      if (sweep < one.frames) return {index, sweep, phase: one};
      sweep -= one.frames;
      index += 1;
    }
    const last = phases()[2];
    return {index: 2, sweep: last.frames - 1, phase: last};
  }
  function frameOf(index, sweep) {
    const all = phases();
    return all.slice(0, index).reduce((sum, one) => sum + one.frames, 0) + Math.min(sweep, all[index].frames - 1);
  }
  // What a unit is in the free phase, and how far it has moved from its free rest in a nudged one.
  const coded = (phase, sweep, layer, unit) => frames.units[(phase.first + sweep) * width + offsets[layer] + unit] / 127 * phase.sizes[layer];
  function valueOf(index, sweep, layer, unit) {
    const all = phases(), free = all[0];
    return index === 0 ? coded(free, sweep, layer, unit)
      : coded(free, free.frames - 1, layer, unit) + coded(all[index], sweep, layer, unit);
  }
  const lowered = (phase, sweep) => frames.energy[phase.first + sweep] + phase.strength * frames.cost[phase.first + sweep];
  const residual = (phase, sweep) => frames.residual[phase.first + sweep];

  function say(value) {
    if (value === null || !Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
    return text.replace(/-/g, "−");
  }
  const fixed = (value, digits) => value.toFixed(digits).replace("-", "−");

  // Colours -----------------------------------------------------------------------------------------------------------

  let colours = {};
  function readColours() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["paper", "ink", "high", "low", "zero", "deep"]) {
      const text = style.getPropertyValue(`--${name}`).trim();
      colours[name] = [1, 3, 5].map(start => parseInt(text.slice(start, start + 2), 16));
    }
  }
  const between = (from, to, share) => from.map((value, index) => Math.round(value + (to[index] - value) * share));
  function ramp(value) {
    const share = Math.min(1, Math.abs(value)) ** 0.8;
    return between(colours.zero, value < 0 ? colours.low : colours.high, share);
  }
  const css = rgb => `rgb(${rgb.join(",")})`;

  function picture(columns, rows, colour) {
    const canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = rows;
    const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
    for (let row = 0; row < rows; row += 1) {
      for (let column = 0; column < columns; column += 1) {
        image.data.set([...colour(row, column), 255], 4 * (row * columns + column));
      }
    }
    context.putImageData(image, 0, 0);
    return canvas.toDataURL();
  }
  function inputPicture(sample) {
    const {shape: [channels, height, across], inputs} = sample;
    const columns = height === 1 ? Math.ceil(Math.sqrt(across)) : across;
    const rows = height === 1 ? Math.ceil(across / columns) : height;
    const low = Math.min(...inputs), span = Math.max(...inputs) - low || 1;
    const share = index => (index < inputs.length ? (inputs[index] - low) / span : 0);
    return picture(columns, rows, (row, column) => {
      const index = row * columns + column;
      if (channels === 3) return [0, 1, 2].map(part => Math.round(255 * share(part * height * across + index)));
      return between(colours.paper, colours.ink, share(index));
    });
  }

  // The units now -----------------------------------------------------------------------------------------------------

  const bounds = (() => {  // of the outputs and their targets, over the whole page
    let low = 0, high = 0;
    const seen = value => { low = Math.min(low, value); high = Math.max(high, value); };
    samples.forEach(sample => sample.targets.forEach(seen));
    page.runs.flatMap(row => row[0]).forEach(run => {  // of temperature 0: noise may go beyond
      for (let unit = 0; unit < page.layers[outputs].units.length; unit += 1) {
        for (let sweep = 0; sweep < run.free.frames; sweep += 1) seen(coded(run.free, sweep, outputs, unit));
      }
    });
    return [low, high === low ? low + 1 : high];
  })();

  function grid(count, colour, label) {
    const columns = count > 6 ? Math.ceil(Math.sqrt(count)) : count, size = count > 30 ? 15 : 24, rows = Math.ceil(count / columns);
    let cells = "";
    for (let unit = 0; unit < count; unit += 1) {
      const x = (unit % columns) * size, y = Math.floor(unit / columns) * size, fill = colour(unit);
      cells += `<rect x="${x + 1}" y="${y + 1}" width="${size - 2}" height="${size - 2}" rx="3" `
        + (fill === null ? 'class="frame"/>' : `fill="${fill}"/>`);
    }
    return `<svg width="${columns * size}" height="${rows * size}" role="img" aria-label="${label}">${cells}</svg>`;
  }

  function bars(index, sweep) {
    const units = page.layers[outputs].units, sample = samples[here.sample], tall = units.length > 16 ? 12 : 19;
    const left = 22, span = 150, [low, high] = bounds, x = value => left + span * (Math.max(low, Math.min(high, value)) - low) / (high - low);
    let text = "";
    units.forEach((unit, row) => {
      const value = valueOf(index, sweep, outputs, row), rest = valueOf(0, phases()[0].frames - 1, outputs, row);
      const y = row * tall, from = Math.min(x(0), x(value)), long = Math.abs(x(value) - x(0)), wanted = String(unit) === sample.label;
      text += `<text x="${left - 8}" y="${y + tall / 2 + 4}" text-anchor="end" class="${wanted ? "" : "faint"}"`
        + `${wanted ? ' font-weight="700"' : ""}>${unit}</text>`
        + `<rect x="${from}" y="${y + 2}" width="${Math.max(long, 0.5)}" height="${tall - 4}" rx="2" fill="${css(ramp(Math.sign(value) * 0.85))}"/>`;
      if (index > 0) text += `<path d="M${x(rest)} ${y + 1}v${tall - 2}" stroke="var(--ink)" stroke-width="1.5"/>`;
      const target = x(sample.targets[unit]), middle = y + tall / 2;
      text += `<path d="M${target - 4} ${middle}l4 -4 4 4 -4 4z" fill="${wanted ? "var(--ink)" : "none"}" stroke="var(--faint)"/>`;
    });
    const tallest = units.length * tall;
    return `<svg width="${left + span + 8}" height="${tallest}" role="img" aria-label="outputs">`
      + `<path d="M${x(0)} 0v${tallest}" stroke="var(--grid)"/>${text}</svg>`;
  }

  function drawUnits() {
    const {index, sweep, phase} = place(here.frame), all = phases();
    let text = `<figure><figcaption>input</figcaption>`
      + `<img alt="input" src="${inputPicture(samples[here.sample])}"></figure>`;
    for (let layer = 0; layer < outputs; layer += 1) {
      const {name, size, units} = page.layers[layer], some = units.length < size ? `, ${units.length} of ${size} units` : "";
      const top = all[0].sizes[layer] || 1, most = Math.max(all[1].sizes[layer], all[2].sizes[layer]) || 1;
      text += `<figure><figcaption>${name}${some}</figcaption>`
        + grid(units.length, unit => css(ramp(valueOf(index, sweep, layer, unit) / top)), name)
        + `<figcaption class="under">moved${index ? ` (×${say(Number((top / most).toPrecision(2)))})` : ""}</figcaption>`
        + grid(units.length, unit => (index ? css(ramp(coded(phase, sweep, layer, unit) / most)) : null), "moved by the nudge") + "</figure>";
    }
    text += `<figure><figcaption>outputs, targets ◆</figcaption>${bars(index, sweep)}</figure>`;
    at("units").innerHTML = text;
    const sizes = page.layers.slice(0, outputs).map((layer, one) => `±${fixed(all[0].sizes[one], 2)}`).join(" and ");
    at("units-key").innerHTML = `<span class="ramp"></span>negative to positive${sizes && `, full colour at ${sizes}`}; `
      + (index ? "a thin line at an output is its free value." : "the nudge has not begun.");
  }

  // The landscape -----------------------------------------------------------------------------------------------------

  function contours(values, points, levels, px, py) {
    let path = "";
    for (const level of levels) {
      for (let row = 0; row < points - 1; row += 1) {
        for (let column = 0; column < points - 1; column += 1) {
          const corners = [[row, column], [row, column + 1], [row + 1, column + 1], [row + 1, column]];
          const heights = corners.map(([r, c]) => values[r * points + c] - level), cuts = [];
          for (let edge = 0; edge < 4; edge += 1) {
            const from = heights[edge], to = heights[(edge + 1) % 4];
            if ((from < 0) !== (to < 0)) {
              const share = from / (from - to), [r, c] = corners[edge], [r2, c2] = corners[(edge + 1) % 4];
              cuts.push(`${px(c + share * (c2 - c)).toFixed(1)} ${py(r + share * (r2 - r)).toFixed(1)}`);
            }
          }
          for (let cut = 0; cut + 1 < cuts.length; cut += 2) path += `M${cuts[cut]}L${cuts[cut + 1]}`;
        }
      }
    }
    return path;
  }

  function drawLandscape() {
    const box = at("landscape"), land = landscapes[here.scale][here.sample];
    if (!land) {
      box.textContent = "The nudges move nothing here that spans a plane, so there is no landscape.";
      at("landscape-key").textContent = "";
      return;
    }
    const {index, sweep, phase} = place(here.frame), [left, right, below, above] = land.extent, {points} = land;
    const across = Math.max(260, box.clientWidth), tall = Math.round(across * (above - below) / (right - left));
    const x = value => across * (value - left) / (right - left), y = value => tall * (above - value) / (above - below);
    const values = land.energy.map((energy, cell) => energy + phase.strength * land.cost[cell]);
    const lowest = Math.min(...values), highest = Math.max(...values);
    const levels = Array.from({length: LEVELS}, (_, step) => lowest + (highest - lowest) * ((step + 0.5) / LEVELS) ** 2);
    // Rows count upwards, and pictures downwards.
    const shade = picture(points, points, (row, column) => {
      const value = values[(points - 1 - row) * points + column];
      return between(colours.deep, colours.paper, Math.min(1, ((value - lowest) / (highest - lowest || 1)) ** 0.5 + 0.15));
    });
    const px = column => column / (points - 1) * across, py = row => tall - row / (points - 1) * tall;
    const cellX = across / (points - 1) / 2, cellY = tall / (points - 1) / 2;
    let text = `<image href="${shade}" x="${-cellX}" y="${-cellY}" width="${across + 2 * cellX}" height="${tall + 2 * cellY}" preserveAspectRatio="none"/>`
      + `<path class="contour" d="${contours(values, points, levels, px, py)}"/>`;
    const spot = (one, step) => [x(frames.places[3 * (one.first + step)]), y(frames.places[3 * (one.first + step) + 1])];
    phases().forEach((one, order) => {
      const path = Array.from({length: one.frames}, (_, step) => spot(one, step).map(value => value.toFixed(1)).join(" "));
      const gone = order < index ? one.frames : order === index ? sweep + 1 : 0;
      const wander = here.temperature > 0 ? ".25" : ".35";
      text += `<path class="line ${PHASES[order]}" opacity="${wander}" d="M${path.join("L")}"/>`;
      if (gone && (order === 0 || order === index)) text += `<path class="line ${PHASES[order]}" d="M${path.slice(0, gone).join("L")}"/>`;
    });
    const mark = (one, step, name, kind, [dx, dy], anchor) => {
      const [cx, cy] = spot(one, step);
      text += `<circle class="dot ${kind}" cx="${cx}" cy="${cy}" r="3.5"/>`
        + `<text class="halo ${kind}" x="${cx + dx}" y="${cy + dy}" text-anchor="${anchor}">${name}</text>`;
    };
    const [free, plus, minus] = phases();
    mark(free, 0, "start", "free", [0, -9], "middle");
    mark(plus, plus.frames - 1, "+β", "plus", [8, -4], "start");
    mark(minus, minus.frames - 1, "−β", "minus", [8, 14], "start");
    mark(free, free.frames - 1, "free", "free", [-9, 4], "end");
    const [cx, cy] = spot(phase, sweep);
    text += `<circle class="dot ${PHASES[index]}" cx="${cx}" cy="${cy}" r="7"/>`;
    const unit = 10 ** Math.floor(Math.log10((right - left) / 3)), bar = across * unit / (right - left);
    text += `<path d="M12 ${tall - 12}h${bar}" stroke="var(--ink)" stroke-width="2"/>`
      + `<text class="halo small" x="${16 + bar}" y="${tall - 8}">${unit}</text>`;
    box.innerHTML = `<svg viewBox="0 0 ${across} ${tall}" role="img" aria-label="energy landscape with the path of the state">`
      + `<defs><clipPath id="inside"><rect width="${across}" height="${tall}" rx="8"/></clipPath></defs>`
      + `<g clip-path="url(#inside)">${text}</g><rect class="frame" x=".5" y=".5" width="${across - 1}" height="${tall - 1}" rx="8"/></svg>`;
    const away = frames.places[3 * (phase.first + sweep) + 2];
    at("landscape-key").textContent = (index ? `Lines of equal E ${index === 1 ? "+" : "−"} βC, which the nudge tilts` : "Lines of equal energy E")
      + `, closer in energy near the lowest point, which is shaded. Left to right: away from the start; upwards: towards the target. `
      + `The state is ${say(Number(away.toPrecision(2)))} away from this plane.`;
  }

  // Every sweep -------------------------------------------------------------------------------------------------------

  let layout = null;

  function drawSweeps() {
    const box = at("sweeps"), across = Math.max(300, box.clientWidth), gap = 10, all = phases();
    const room = across - 2 * gap - 1, whole = total();
    const shares = all.map(one => Math.max(0.2, one.frames / whole)), sum = shares.reduce((one, two) => one + two);
    let x0 = 0.5;
    const panels = all.map((phase, index) => {
      const panel = {phase, index, x: x0, width: room * shares[index] / sum};
      x0 += panel.width + gap;
      return panel;
    });
    const column = (panel, sweep) => panel.x + (sweep + 0.5) / panel.phase.frames * panel.width;
    let y = 16, text = "";
    panels.forEach(panel => { text += `<text class="${PHASES[panel.index]}" font-weight="600" x="${panel.x}" y="12">${NAMES[panel.index]}</text>`; });
    const title = (name, more) => { text += `<text class="head" x="0" y="${y + 13}">${name}<tspan class="faint" dx="8">${more}</tspan></text>`; y += 19; };

    page.layers.forEach((layer, order) => {
      const count = layer.units.length, tall = Math.max(34, Math.min(130, count * (order === outputs ? 9 : 5)));
      const moved = Math.max(all[1].sizes[order], all[2].sizes[order]) || 1;
      title(layer.name, `free: up to ${fixed(all[0].sizes[order], 2)}, nudged: moved by up to ${say(Number(moved.toPrecision(2)))}`);
      panels.forEach(panel => {
        const most = panel.index ? moved : all[0].sizes[order] || 1;
        const image = picture(panel.phase.frames, count, (unit, sweep) => ramp(coded(panel.phase, sweep, order, unit) / most));
        text += `<image class="pixels" href="${image}" x="${panel.x}" y="${y}" width="${panel.width}" height="${tall}" preserveAspectRatio="none"/>`
          + `<rect class="frame" x="${panel.x}" y="${y}" width="${panel.width}" height="${tall}"/>`;
      });
      y += tall + 8;
    });

    const charts = [];
    const chart = (name, more, tall, read, log, shared) => {
      title(name, more);
      const scaled = value => (log ? Math.log10(Math.max(value, 1e-16)) : value);
      const seen = panels.map(panel => Array.from({length: panel.phase.frames}, (_, sweep) => read(panel.phase, sweep)).filter(Number.isFinite));
      const limits = panels.map(panel => (name === "residual" && panel.phase.tolerance ? [panel.phase.tolerance] : []));
      panels.forEach((panel, index) => {
        const values = (shared ? [...seen, ...limits].flat() : seen[index]).map(scaled);
        let low = Math.min(...values), high = Math.max(...values);
        if (!(high - low > 1e-12)) { low -= 0.5; high += 0.5; }
        const top = y, height = value => top + 7 + (tall - 25) * (high - scaled(value)) / (high - low);
        const path = [];
        for (let sweep = 0; sweep < panel.phase.frames; sweep += 1) {
          const value = read(panel.phase, sweep);
          if (Number.isFinite(value)) path.push(`${column(panel, sweep).toFixed(1)} ${height(value).toFixed(1)}`);
        }
        text += `<rect class="frame" x="${panel.x}" y="${top}" width="${panel.width}" height="${tall}"/>`;
        limits[index].forEach(limit => {
          text += `<path class="limit" d="M${panel.x} ${height(limit).toFixed(1)}h${panel.width}"/>`;
        });
        if (path.length) text += `<path class="line ${PHASES[panel.index]}" d="M${path.join("L")}"/>`;
        if (!shared || index === 0) {
          const shownValue = value => say(Number((log ? 10 ** value : value).toPrecision(3)));
          text += `<text class="halo small faint" x="${panel.x + panel.width - 4}" y="${top + 13}" text-anchor="end">${shownValue(high)}</text>`
            + `<text class="halo small faint" x="${panel.x + 4}" y="${top + tall - 5}">${shownValue(low)}</text>`;
        }
        charts.push({panel, read, height});
      });
      y += tall + 8;
    };
    chart("energy", "E; under a nudge E ± βC; own scales", 84, lowered, false, false);
    chart("cost C", "how wrong the outputs are", 64, (phase, sweep) => frames.cost[phase.first + sweep], false, true);
    chart("residual", "distance of a unit from its best value", 76, residual, true, true);
    box.innerHTML = `<svg viewBox="0 0 ${across} ${y}" role="img" aria-label="activities, energy, cost and residual over the sweeps">${text}<g id="cursor"></g></svg>`;
    layout = {panels, column, charts, tall: y, across};
  }

  function drawCursor() {
    const {index, sweep, phase} = place(here.frame), x = layout.column(layout.panels[index], sweep).toFixed(1);
    let text = `<path class="cursor" d="M${x} 16V${layout.tall - 8}"/>`;
    for (const {panel, read, height} of layout.charts) {
      const value = read(phase, sweep);
      if (panel.index === index && Number.isFinite(value)) {
        text += `<circle class="dot ${PHASES[index]}" cx="${x}" cy="${height(value).toFixed(1)}" r="4.5"/>`;
      }
    }
    at("cursor").innerHTML = text;
  }

  // Words -------------------------------------------------------------------------------------------------------------

  function sayNow() {
    const {index, sweep, phase} = place(here.frame), frame = phase.first + sweep;
    const part = (name, value, key) => `<span>${name} <b data-${key}="${value}">${say(value)}</b></span>`;
    at("now").innerHTML = `<b class="${PHASES[index]}">${NAMES[index]}</b><span>sweep <b data-sweep="${sweep}">${sweep}</b> of ${phase.frames - 1}</span>`
      + part("energy", frames.energy[frame], "energy") + part("cost", frames.cost[frame], "cost") + part("residual", frames.residual[frame], "residual");
    const slider = at("sweep");
    slider.max = total() - 1;
    slider.value = here.frame;
    slider.setAttribute("aria-valuetext", `${NAMES[index]}, sweep ${sweep} of ${phase.frames - 1}`);
    slider.style.accentColor = `var(--${index === 0 ? "ink" : PHASES[index]})`;
    PHASES.forEach((name, order) => at(`to-${name}`).setAttribute("aria-pressed", String(order === index)));
  }

  function sayRest() {
    const verdict = phase => (phase.status === "converged" ? "at rest"
      : here.temperature > 0 ? "never: noise" : phase.tolerance === null ? "ran its budget" : "no: budget ran out");
    at("rest").innerHTML = '<thead><tr><th>phase</th><th class="number">sweeps</th><th class="number">residual</th><th class="number">tolerance</th>'
      + `<th>at rest</th></tr></thead><tbody>${phases().map((phase, index) => `<tr><td class="${PHASES[index]}">${NAMES[index]}</td>`
      + `<td class="number">${phase.frames - 1}</td><td class="number" data-residual="${phase.residual}">${say(phase.residual)}</td>`
      + `<td class="number">${say(phase.tolerance)}</td><td>${verdict(phase)}</td></tr>`).join("")}</tbody>`;
    const all = phases(), whole = total();
    const moving = here.temperature === 0 && all.some(one => one.status !== "converged");
    at("doubt").hidden = !moving;
    at("doubt").textContent = moving ? "Not every phase came to rest here, so its end is no equilibrium: compare the residuals below." : "";
    PHASES.forEach((name, index) => { at(`to-${name}`).style.flex = `${all[index].frames / whole} 1 0`; });
    for (const key of ["strength", "scale", "temperature"]) {
      const value = say(ranges[key][here[key]]);
      at(`${key}-value`).textContent = value;
      at(key).value = here[key];
      at(key).setAttribute("aria-valuetext", value);
    }
  }

  // Moving ------------------------------------------------------------------------------------------------------------

  function remember() {
    const words = Object.entries(here).map(([key, value]) => `${key}=${value}`).join("&");
    try { history.replaceState(null, "", `#${words}`); } catch { /* a page inside another has no address of its own */ }
  }
  function drawFrame() {
    drawUnits();
    drawLandscape();
    drawCursor();
    sayNow();
  }
  function drawAll() {
    readColours();
    sayRest();
    drawSweeps();
    drawFrame();
  }
  function go(frame) {
    here.frame = Math.max(0, Math.min(total() - 1, frame));
    drawFrame();
    if (!playing) remember();
  }
  function choose(key, value) {
    const {index, sweep} = place(here.frame);
    here[key] = Math.max(0, Math.min(ranges[key].length - 1, value));
    here.frame = frameOf(index, sweep);
    drawAll();
    remember();
  }

  let playing = null;
  const button = at("play");
  function face() {
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
    button.innerHTML = `<svg width="18" height="18" viewBox="0 0 18 18" aria-hidden="true">`
      + `<path d="${playing ? "M3 2h4v14H3zM11 2h4v14h-4z" : "M4 1.5v15L16.5 9z"}"/></svg>`;
  }
  function pause() {
    clearInterval(playing);
    playing = null;
    face();
    remember();
  }
  function play() {
    if (playing) return pause();
    if (here.frame >= total() - 1) here.frame = 0;
    playing = setInterval(() => (here.frame < total() - 1 ? go(here.frame + 1) : pause()), 1000 / SPEED);
    return face();
  }

  function setUp() {
    readColours();
    const list = at("samples");
    samples.forEach((sample, index) => {
      const label = document.createElement("label"), radio = document.createElement("input"), image = document.createElement("img");
      Object.assign(radio, {type: "radio", name: "sample", value: index, checked: index === here.sample});
      image.alt = sample.label === "" ? `test sample ${sample.place}` : `test sample ${sample.place}, class ${sample.label}`;
      image.src = inputPicture(sample);
      radio.addEventListener("change", () => choose("sample", index));
      label.append(radio, image);
      list.append(label);
    });
    for (const key of ["strength", "scale", "temperature"]) {
      const slider = at(key);
      slider.max = ranges[key].length - 1;
      slider.disabled = ranges[key].length < 2;
      slider.addEventListener("input", () => choose(key, Number(slider.value)));
    }
    at("sweep").addEventListener("input", () => go(Number(at("sweep").value)));
    PHASES.forEach((name, index) => at(`to-${name}`).addEventListener("click", () => go(frameOf(index, 0))));
    button.addEventListener("click", play);
    const drag = event => {
      if (event.type !== "pointerdown" && !(event.buttons & 1)) return;
      const box = at("sweeps").getBoundingClientRect(), x = (event.clientX - box.left) * layout.across / box.width;
      const panel = layout.panels.find(one => x < one.x + one.width) || layout.panels[2];
      go(frameOf(panel.index, Math.max(0, Math.floor((x - panel.x) / panel.width * panel.phase.frames))));
    };
    at("sweeps").addEventListener("pointerdown", drag);
    at("sweeps").addEventListener("pointermove", drag);
    document.addEventListener("keydown", event => {
      const {tagName, type} = event.target;
      if (event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === " " && tagName !== "BUTTON" && tagName !== "SUMMARY" && type !== "radio") play();
      else if ("123".includes(event.key)) go(frameOf(Number(event.key) - 1, 0));
      else if (tagName === "INPUT") return;  // arrow keys move the slider that has the focus
      else if (event.key === "ArrowRight") go(here.frame + 1);
      else if (event.key === "ArrowLeft") go(here.frame - 1);
      else if (event.key === "Home") go(0);
      else if (event.key === "End") go(total() - 1);
      else return;
      event.preventDefault();
    });
    let waiting = 0;
    addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(drawAll); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      drawAll();
      list.querySelectorAll("img").forEach((image, index) => { image.src = inputPicture(samples[index]); });
    });
    here.frame = Math.min(here.frame, total() - 1);
    face();
    drawAll();
  }
  setUp();
})();
