// Draws every figure of the page, gives its points to the keyboard, sorts its tables.
"use strict";

(function () {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue("--" + name).trim();
  const narrow = () => window.innerWidth < 600;

  function dressed(figure) {
    const ink = colour("ink"), line = colour("line");
    const data = figure.data.map((trace) => {
      const shade = colour(trace.meta);
      const made = Object.assign({}, trace);
      made.marker = Object.assign({}, trace.marker, { color: shade, opacity: 0.92 });
      if (trace.type === "scatter") made.line = Object.assign({}, trace.line, { color: shade, width: 2 });
      for (const axis of ["error_x", "error_y"]) {
        if (trace[axis]) made[axis] = Object.assign({}, trace[axis], { color: shade });
      }
      return made;
    });
    const axis = (given) => Object.assign({}, given, {
      gridcolor: line, linecolor: line, zerolinecolor: line, title: Object.assign({ standoff: 10 }, given.title),
    });
    const given = figure.layout;
    const layout = Object.assign({}, given, {
      xaxis: axis(given.xaxis),
      yaxis: axis(given.yaxis),
      shapes: given.shapes.map((s) => Object.assign({}, s, { line: Object.assign({}, s.line, { color: colour("winner") }) })),
      annotations: given.annotations.map((a) => Object.assign({}, a, { font: { color: colour("winner") } })),
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: narrow() ? 11 : 13, family: "system-ui, sans-serif" },
      margin: { l: 50, r: 12, t: 26, b: 44 },
      legend: { orientation: "h", y: 1.08, yanchor: "bottom", x: 0 },
      hoverlabel: { align: "left", bgcolor: colour("raised"), bordercolor: line, font: { color: ink, size: 12 } },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("faint"), activecolor: ink },
      hovermode: "closest",
    });
    return { data, layout };
  }

  const options = {
    // Plotly's button that sends a chart to its makers' server is there by default.
    responsive: true, displaylogo: false, showSendToCloud: false, displayModeBar: narrow() ? false : "hover",
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  };

  function draw(holder, first) {
    const figure = JSON.parse(document.getElementById(holder.dataset.figure).textContent);
    const { data, layout } = dressed(figure);
    (first ? Plotly.newPlot : Plotly.react)(holder, data, layout, options);
  }

  // The points of a figure from left to right, for the arrow keys.
  function points(holder) {
    const found = [];
    holder.data.forEach((trace, curve) => {
      if (!trace.text) return;
      trace.x.forEach((x, point) => found.push({ curve, point, x, text: trace.text[point] }));
    });
    const numbers = found.every((one) => typeof one.x === "number");
    return numbers ? found.sort((a, b) => a.x - b.x) : found;
  }

  function readable(html) {
    const text = html.replace(/<br>/g, "; ");
    return new DOMParser().parseFromString(text, "text/html").documentElement.textContent;
  }

  function keyboard(holder, spoken) {
    let at = -1;
    holder.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") { Plotly.Fx.unhover(holder); spoken.textContent = ""; at = -1; return; }
      if (step === undefined) return;
      const all = points(holder);
      if (!all.length) return;
      at = at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length;
      Plotly.Fx.hover(holder, [{ curveNumber: all[at].curve, pointNumber: all[at].point }]);
      spoken.textContent = readable(all[at].text);
      event.preventDefault();
    });
  }

  function value(cell) {
    const text = cell.textContent.trim();
    const found = text.match(/^[-+]?[\d.,]+(?:e[-+]?\d+)?/);
    if (!found) return text === "-" ? -Infinity : text;
    const unit = { k: 1e3, M: 1e6, G: 1e9 }[text.slice(found[0].length).trim()[0]] || 1;
    return parseFloat(found[0].replace(/,/g, "")) * unit;
  }

  function sortable(table) {
    table.querySelectorAll("th button").forEach((button, column) => {
      button.addEventListener("click", () => {
        const head = button.closest("th");
        const falling = head.getAttribute("aria-sort") !== "descending";
        table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const body = table.tBodies[0], sign = falling ? -1 : 1;
        const rows = Array.from(body.rows, (row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => {
          if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
          return sign * (a < b ? -1 : a > b ? 1 : 0);
        });
        rows.forEach(([, row]) => body.append(row));
      });
    });
  }

  document.documentElement.classList.add("drawn");
  const holders = Array.from(document.querySelectorAll(".plot"));
  // One after the other, so that the page can be read while the last ones are drawn.
  function next(n) {
    if (n === holders.length) {
      performance.mark("drawn");
      return;
    }
    draw(holders[n], true);
    keyboard(holders[n], holders[n].parentElement.querySelector(".spoken"));
    setTimeout(next, 0, n + 1);
  }
  next(0);
  document.querySelectorAll("table").forEach(sortable);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    holders.filter((holder) => holder.data).forEach((holder) => draw(holder, false));
  });
})();
