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
  return Plotly.react(plot, data, layout, config);
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

/** The trace of one neuron, of which the page holds a byte for each step. */
function trace({ low, high, levels }, neuron) {
  const bytes = atob(levels);
  const steps = bytes.length / low.length;
  const scale = (high[neuron] - low[neuron]) / 255;
  return Array.from({ length: steps }, (_, k) => low[neuron] + scale * bytes.charCodeAt(neuron * steps + k));
}

/** A row of text, the first cell of which leads to another neuron. */
function row([name, ...numbers], go) {
  const tr = document.createElement("tr");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", go);
  tr.insertCell().append(button);
  for (const number of numbers) tr.insertCell().textContent = number.toPrecision(3).replace("-", "−");
  return tr;
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
  lists.forEach((edges, side) => {
    const rows = edges.slice(0, MOST_LISTED).map((edge) => row([all.ids[edge[side]], edge[2], edge[3]], go(edge[side])));
    view.querySelectorAll("tbody")[side].replaceChildren(...rows);
  });
  const about = all.about[neuron] ? ` (${all.about[neuron]})` : "";
  view.querySelector(".said").textContent =
    `Neuron ${all.ids[neuron]}${about}: ${lists[0].length} reported connections onto it, ${lists[1].length} from it; ` +
    `those with most evidence are listed, at most ${MOST_LISTED} each. Weights in ${all.unit}.`;
  const [traces, kernel] = view.querySelectorAll(".plot");
  const activity = all.activity;
  const look = { margin: { l: 50, r: 60, t: 30, b: 40 }, showlegend: false, dragmode: touch ? false : "zoom" };
  const drawn = [];
  if (activity) {
    const observed = trace(activity.observed, neuron);
    const x = observed.map((_, k) => activity.start_s + k * activity.dt_s);
    const data = [
      { x, y: observed, type: activity.spikes ? "bar" : "scatter", name: "observed", marker: { color: "#9aa1a9" } },
      { x, y: trace(activity.expected, neuron), name: "expected", line: { color: "#0072B2", dash: "solid", width: 2 } },
    ];
    if (activity.spikes) data[1].yaxis = "y2";
    const layout = {
      ...look,
      bargap: 0,
      xaxis: { title: { text: "time (s)" } },
      yaxis: { title: { text: activity.spikes ? "spikes" : "activity" }, rangemode: "tozero" },
      yaxis2: { title: { text: "expected" }, overlaying: "y", side: "right", rangemode: "tozero", nticks: 4, showgrid: false },
    };
    drawn.push(Plotly.react(traces, data, layout, config));
  }
  if (activity?.kernel) {
    const y = activity.kernel[neuron];
    const x = y.map((_, k) => (k + 1) * activity.dt_s * 1e3);
    const layout = { ...look, xaxis: { title: { text: "time after the activity (ms)" }, rangemode: "tozero" } };
    layout.yaxis = { title: { text: "effect" }, rangemode: "tozero" };
    const line = { color: "#0072B2", width: 2.5 };
    drawn.push(Plotly.react(kernel, [{ x, y, mode: "lines+markers", line, marker: { size: 7 } }], layout, config));
  }
  return Promise.all(drawn);
}

// Paper is narrower than most windows, and plots do not notice by themselves that they are printed.
matchMedia("print").addEventListener("change", () => {
  for (const plot of document.querySelectorAll(".js-plotly-plot")) Plotly.relayout(plot, { autosize: true });
});

// One figure after the other, so that the page answers while it draws.
(async () => {
  for (const figure of document.querySelectorAll("figure")) {
    figure.querySelector("select")?.addEventListener("change", () => draw(figure));
    await draw(figure);
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
