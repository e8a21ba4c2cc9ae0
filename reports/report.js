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

for (const table of document.querySelectorAll("table")) {
  for (const header of table.tHead.rows[0].cells) {
    header.querySelector("button").addEventListener("click", () => sort(table, header));
  }
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
  document.documentElement.dataset.drawn = "all";
})();
