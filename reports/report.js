"use strict";

// A finger that drags over a plot wants to scroll the page.
const touch = matchMedia("(pointer: coarse)").matches;
const config = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false, // nothing leaves this page
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
};

/** Draw a plot. A screen reader gets its table instead of the marks and numbers of its axes. */
async function show(plot, data, layout) {
  await Plotly.react(plot, data, layout, config);
  for (const svg of plot.querySelectorAll(".main-svg")) svg.setAttribute("aria-hidden", "true");
}

/** Boxes that show and hide what the plot's legend does, for those who have no mouse; in step with the legend. */
function offerTraces(figure) {
  const plot = figure.querySelector(".plot");
  const boxes = document.createElement("fieldset");
  boxes.innerHTML = "<legend>Show</legend>";
  const names = plot.data.filter((trace) => trace.showlegend).map((trace) => trace.name);
  const inputs = names.map((name) => {
    const [label, input, text] = [document.createElement("label"), document.createElement("input"), new DOMParser()];
    input.type = "checkbox";
    input.addEventListener("change", () => {
      const traces = plot.data.flatMap((trace, k) => (trace.name === name ? [k] : []));
      return Plotly.restyle(plot, { visible: input.checked || "legendonly" }, traces);
    });
    label.append(input, " ", text.parseFromString(name, "text/html").body.textContent); // names are escaped for Plotly
    boxes.append(label);
    return input;
  });
  const follow = () =>
    names.forEach((name, k) => {
      inputs[k].checked = plot._fullData.find((trace) => trace.name === name).visible === true;
    });
  plot.on("plotly_afterplot", follow);
  follow();
  plot.after(boxes);
}

/** Draw the plot of a figure that its reader has chosen. */
function draw(figure) {
  const plot = figure.querySelector(".plot");
  const choice = figure.querySelector("select")?.selectedIndex ?? 0;
  // Parsed anew each time, because plotly changes what it is given.
  const { data, layout } = JSON.parse(figure.querySelectorAll("script")[choice].textContent);
  if (touch) layout.dragmode = false;
  if (layout.height) {
    // Plotly forgets a height of its own when it fits a plot to the page.
    plot.style.height = `${layout.height}px`;
    delete layout.height;
  }
  return show(plot, data, layout);
}

/** Sort a table by one of its columns; a second time turns the order. Undefined scores stay last. */
function sort(table, header) {
  const column = header.cellIndex;
  const turned = { ascending: "descending", descending: "ascending" };
  const order = turned[header.getAttribute("aria-sort")] ?? header.dataset.first;
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => row.cells[column].dataset.value;
  const compare = (a, b) => (column === 0 ? a.localeCompare(b) : a - b);
  const rows = [...table.tBodies[0].rows].sort((p, q) => {
    const [a, b] = [value(p), value(q)];
    return a === "" || b === "" ? (a === "") - (b === "") : sign * compare(a, b);
  });
  table.querySelector("[aria-sort]")?.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", order);
  table.tBodies[0].append(...rows);
}

for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => sort(button.closest("table"), button.parentElement));
}

const MOST_LISTED = 15;
const N_INTERVALS = 20;
const INK = "#1b1f24";
const look = {
  font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12, color: INK },
  margin: { l: 50, r: 60, t: 30, b: 40 },
  showlegend: false,
  dragmode: touch ? false : "zoom",
};

/** The trace of one neuron, of which the page holds a byte for each step. */
function trace({ low, high, levels }, neuron) {
  const bytes = atob(levels);
  const steps = bytes.length / low.length;
  const scale = (high[neuron] - low[neuron]) / 255;
  return Array.from({ length: steps }, (_, k) => low[neuron] + scale * bytes.charCodeAt(neuron * steps + k));
}

/** A number as the rest of the page writes it: a count, or three digits; a real minus sign, powers of ten. */
function written(number) {
  if (Number.isInteger(number) && Math.abs(number) < 1000) return `${number}`.replace("-", "−");
  const size = Math.floor(Math.log10(Math.abs(number)));
  if (size >= -4 && size < 3) return number.toPrecision(3).replace("-", "−");
  if (size >= 3 && size < 6) return Number(number.toPrecision(3)).toLocaleString("en-US").replace("-", "−");
  const [mantissa, exponent] = number.toExponential(2).split("e");
  const raised = [...exponent.replace("+", "")].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(digit)]);
  return `${mantissa}×10${raised.join("")}`.replace("-", "−");
}

/** A row of a table, the first cell of which heads it. */
function row(head, numbers) {
  const tr = document.createElement("tr");
  const th = document.createElement("th");
  th.scope = "row";
  th.append(head);
  tr.append(th);
  for (const number of numbers) tr.insertCell().textContent = written(number);
  return tr;
}

/** A button that leads to another neuron. */
function link(name, go) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", go);
  return button;
}

/** Rows of a trace in intervals: sums of spikes, means of anything else. */
function intervals(x, series, sums) {
  const size = Math.ceil(x.length / N_INTERVALS);
  const rows = [];
  for (let k = 0; k < x.length; k += size) {
    const parts = series.map((values) => values.slice(k, k + size));
    const pooled = parts.map((part) => part.reduce((a, b) => a + b) / (sums ? 1 : part.length));
    rows.push(row(x[k].toFixed(2), pooled));
  }
  return rows;
}

/** Draw what a neuron did and what was expected of it, and write it down. */
function drawActivity(plot, body, activity, neuron) {
  const [stored, expected] = [trace(activity.observed, neuron), trace(activity.expected, neuron)];
  const observed = activity.spikes ? stored.map(Math.round) : stored; // 1 of at most 2 spikes is stored as 1.004
  const x = observed.map((_, k) => activity.start_s + k * activity.dt_s);
  const bars = { x, y: observed, type: "bar", name: "observed", marker: { color: "#9aa1a9" } };
  const thin = { x, y: observed, name: "observed", line: { color: INK, width: 1 } };
  const line = { color: "#0072B2", dash: activity.spikes ? "solid" : "5px,2px", width: 2 };
  const drawn = { x, y: expected, name: "expected", line, yaxis: activity.spikes ? "y2" : "y" };
  const most = Math.max(1, ...observed);
  const layout = {
    ...look,
    bargap: 0,
    xaxis: { title: { text: "time (s)" } },
    yaxis: { title: { text: "activity" } },
    yaxis2: { title: { text: "expected" }, overlaying: "y", side: "right", rangemode: "tozero", nticks: 4, showgrid: false },
  };
  if (activity.spikes) layout.yaxis = { title: { text: "spikes" }, range: [0, 1.05 * most], tickvals: [0, most] };
  body.replaceChildren(...intervals(x, [observed, expected], activity.spikes));
  return show(plot, [activity.spikes ? bars : thin, drawn], layout);
}

/** Draw how the effect of a neuron develops, and write it down. */
function drawKernel(plot, body, y, dt_s) {
  const x = y.map((_, k) => (k + 1) * dt_s * 1e3);
  const layout = { ...look, xaxis: { title: { text: "time after a spike (ms)" }, rangemode: "tozero" } };
  layout.yaxis = { title: { text: "effect" }, rangemode: "tozero" };
  body.replaceChildren(...y.map((effect, k) => row(written(x[k]), [effect])));
  const line = { color: "#0072B2", width: 2.5 };
  return show(plot, [{ x, y, mode: "lines+markers", line, marker: { size: 7 } }], layout);
}

/** Show the neuron that is chosen in a view of one neuron. */
function showNeuron(view, all) {
  const select = view.querySelector("select");
  const neuron = select.selectedIndex;
  const lists = [all.edges.filter((edge) => edge[1] === neuron), all.edges.filter((edge) => edge[0] === neuron)];
  const go = (other) => () => {
    select.selectedIndex = other;
    showNeuron(view, all);
    select.focus();
  };
  const bodies = view.querySelectorAll("tbody");
  lists.forEach((edges, side) => {
    const rows = edges
      .slice(0, MOST_LISTED)
      .map((edge) => row(link(all.ids[edge[side]], go(edge[side])), [edge[2], edge[3]]));
    if (!rows.length) {
      rows.push(row("none reported", []));
      rows[0].cells[0].colSpan = 3;
    }
    bodies[side].replaceChildren(...rows);
  });
  const about = all.about[neuron] ? ` (${all.about[neuron]})` : "";
  view.querySelector(".said").textContent =
    `Neuron ${all.ids[neuron]}${about}: ${lists[0].length} reported connections onto it, ${lists[1].length} from it; ` +
    `those with most evidence are listed, at most ${MOST_LISTED} each. Weights in ${all.unit}.`;
  const { activity } = all;
  const [traces, kernel] = view.querySelectorAll(".plot");
  const drawn = [];
  if (activity) drawn.push(drawActivity(traces, bodies[2], activity, neuron));
  if (kernel) {
    // Nothing was learned of the kernel of a neuron that drives no other.
    kernel.parentElement.hidden = lists[1].length === 0;
    if (lists[1].length) drawn.push(drawKernel(kernel, bodies[3], activity.kernel[neuron], activity.dt_s));
  }
  return Promise.all(drawn);
}

// Paper shows what is folded away; it is folded again afterwards.
const folded = new Set();
function unfold() {
  for (const details of document.querySelectorAll("details:not([open])")) folded.add(details);
  for (const details of folded) details.open = true;
}
function fold() {
  for (const details of folded) details.open = false;
  folded.clear();
}
addEventListener("beforeprint", unfold); // in time for the number of pages
addEventListener("afterprint", fold);

// Paper is narrower than most windows, and plots do not notice by themselves that they are printed.
matchMedia("print").addEventListener("change", ({ matches }) => {
  (matches ? unfold : fold)();
  for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, { autosize: true });
});

// One figure after the other, so that the page answers while it draws.
(async () => {
  for (const figure of document.querySelectorAll("figure")) {
    figure.querySelector("select")?.addEventListener("change", () => draw(figure));
    await draw(figure);
    if (figure.querySelector(".plot").data.some((trace) => trace.visible === "legendonly")) offerTraces(figure);
    await new Promise((resume) => setTimeout(resume));
  }
  for (const view of document.querySelectorAll(".neuron")) {
    const all = JSON.parse(view.querySelector("script").textContent);
    const select = view.querySelector("select");
    select.addEventListener("change", () => showNeuron(view, all));
    const count = new Array(all.ids.length).fill(0); // begin with the neuron that has most to show
    for (const [pre, post] of all.edges) [count[pre], count[post]] = [count[pre] + 1, count[post] + 1];
    select.selectedIndex = count.indexOf(Math.max(...count));
    await showNeuron(view, all);
  }
  document.documentElement.dataset.drawn = "all";
})();
