/* The frame with its regions drawn over it, and the tools to mark one by hand. */
(() => {
  const D = window.describer;
  const { h, s } = D;
  const BADGE_PX = 11;
  const BRUSH_PX = 12;

  const area = (region) => (region.box[2] - region.box[0]) * (region.box[3] - region.box[1]);

  /* shown: {masks, boxes, labels, depth}; marked: called with what was drawn by hand, null where nothing may be. */
  D.stage = (marked) => {
    const svg = s("svg", { class: "stage", role: "group", "aria-label": "The frame with its regions" });
    const stage = { svg, tool: "look", shown: { masks: true, boxes: false, labels: true, depth: false } };
    let view = null;
    let nodes = new Map();
    let hand = null;

    stage.draw = (newView, picture, depth) => {
      view = newView;
      nodes = new Map();
      svg.replaceChildren();
      if (!view) return;
      const [width, height] = view.size_wh;
      svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      const size = { width, height, preserveAspectRatio: "none" };
      svg.append(s("image", { href: picture, ...size, class: "picture" }));
      if (depth) svg.append(s("image", { href: depth, ...size, class: "depth" }));
      const marks = s("g", { class: "marks" });
      const boxes = s("g", { class: "boxes" });
      const labels = s("g", { class: "labels" });
      for (const region of [...view.regions].sort((a, b) => area(b) - area(a))) {
        marks.append(markOf(region));
        const [x0, y0, x1, y1] = region.box;
        boxes.append(s("rect", { x: x0, y: y0, width: x1 - x0, height: y1 - y0, style: `--region:${region.colour}` }));
        labels.append(numberOf(region));
      }
      svg.append(marks, boxes, labels);
      hand = s("g", { class: "hand" });
      svg.append(hand);
      stage.resize();
      stage.show();
      stage.look();
    };

    function markOf(region) {
      const says = `Region ${region.id}, ${region.label}, ${region.sure}`;
      const mark = s(
        "g",
        {
          class: "mark" + (region.dashed ? " dashed" : ""),
          "data-region": region.id,
          style: `--region:${region.colour}`,
          tabindex: 0,
          role: "button",
          "aria-label": says,
          ...D.lights(region.id),
          onclick: () => marked && stage.tool === "look" && D.select(region.id),
          onkeydown: (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            D.select(region.id);
          },
        },
        s("path", { d: region.path, class: "halo" }),
        s("path", { d: region.path, class: "line" })
      );
      nodes.set(region.id, mark);
      return mark;
    }

    function numberOf(region) {
      const [x, y] = region.badge;
      const [u, v] = region.anchor;
      const led = x !== u || y !== v;
      return s(
        "g",
        { class: "number", "data-region": region.id, style: `--region:${region.colour}` },
        led ? s("line", { x1: u, y1: v, x2: x, y2: y }) : null,
        s("circle", { cx: x, cy: y }),
        s("text", { x, y, dy: "0.35em" }, String(region.id))
      );
    }

    /* Pixels of the frame in one of the screen; the frame is as large as fits. */
    stage.scale = () => Math.max(view.size_wh[0] / svg.clientWidth, view.size_wh[1] / svg.clientHeight);
    stage.resize = () => {
      if (!view || !svg.clientWidth) return;
      const scale = stage.scale();
      svg.querySelectorAll(".number circle").forEach((node) => node.setAttribute("r", BADGE_PX * scale));
      svg.querySelectorAll(".number text").forEach((node) => node.setAttribute("font-size", 14 * scale));
    };
    new ResizeObserver(stage.resize).observe(svg);

    stage.show = () => {
      for (const [name, is] of Object.entries(stage.shown)) svg.classList.toggle(`no-${name}`, !is);
    };
    stage.look = () => {
      const lit = D.hovered ?? (marked ? D.selected : null);
      svg.classList.toggle("looking", lit !== null && nodes.has(lit));
      nodes.forEach((node, id) => {
        node.classList.toggle("lit", id === lit);
        node.setAttribute("aria-pressed", id === D.selected);
      });
      svg.querySelectorAll(".number").forEach((n) => n.classList.toggle("lit", Number(n.dataset.region) === lit));
    };
    D.on("look", stage.look);
    if (marked) handTools(stage, svg, () => hand, () => view, marked);
    return stage;
  };

  function handTools(stage, svg, handOf, viewOf, marked) {
    let from = null;
    let strokes = [];
    let cursor = null;
    let down = false;

    const at = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      return inside([point.x, point.y]);
    };
    const inside = ([x, y]) => {
      const [width, height] = viewOf().size_wh;
      return [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    };
    const round = (point) => point.map((value) => Math.round(value * 10) / 10);

    stage.use = (tool) => {
      stage.tool = tool;
      from = null;
      strokes = [];
      cursor = null;
      svg.classList.toggle("by-hand", tool !== "look");
      svg.setAttribute("tabindex", tool === "look" ? -1 : 0);
      redraw();
      D.tell("paint", 0);
    };
    stage.finishPaint = () => {
      if (!strokes.length) return D.message("error", "Nothing is painted yet; draw over what you mean.");
      marked({ strokes: strokes.map((stroke) => stroke.map(round)), radius: BRUSH_PX * stage.scale() });
      stage.use("paint");
    };

    function redraw(to) {
      const hand = handOf();
      if (!hand) return;
      hand.replaceChildren();
      for (const stroke of strokes) {
        const points = (stroke.length > 1 ? stroke : [stroke[0], stroke[0]]).map((p) => p.join(",")).join(" ");
        hand.append(s("polyline", { points, class: "paint", "stroke-width": 2 * BRUSH_PX * stage.scale() }));
      }
      const end = to || cursor;
      if (from && end) {
        const [x, y] = [Math.min(from[0], end[0]), Math.min(from[1], end[1])];
        const size = { width: Math.abs(from[0] - end[0]), height: Math.abs(from[1] - end[1]) };
        hand.append(s("rect", { x, y, ...size, class: "drawn" }));
      }
      if (cursor) {
        const [x, y] = cursor;
        const reach = 14 * stage.scale();
        hand.append(s("path", { d: `M${x - reach} ${y}H${x + reach}M${x} ${y - reach}V${y + reach}`, class: "cross" }));
      }
    }

    const box = (a, b) => {
      if (Math.abs(a[0] - b[0]) < 2 || Math.abs(a[1] - b[1]) < 2) return;
      marked({ box: [...round(a), ...round(b)] });
    };

    svg.addEventListener("pointerdown", (event) => {
      if (stage.tool === "look" || !viewOf()) return;
      event.preventDefault();
      svg.setPointerCapture(event.pointerId);
      cursor = null;
      down = true;
      if (stage.tool === "paint") strokes.push([at(event)]);
      else from = at(event);
      redraw(from);
    });
    svg.addEventListener("pointermove", (event) => {
      if (!down) return;
      if (stage.tool === "paint") strokes[strokes.length - 1].push(at(event));
      redraw(at(event));
    });
    svg.addEventListener("pointercancel", () => ((down = false), (from = null)));
    svg.addEventListener("pointerup", (event) => {
      if (!down) return;
      down = false;
      const start = from;
      from = null;
      if (stage.tool === "point") marked({ point: round(at(event)) });
      if (stage.tool === "box") box(start, at(event));
      redraw();
      D.tell("paint", strokes.length);
    });

    /* The same with the keyboard: arrows move a cross, Enter sets a point or a corner, Space takes the brush. */
    svg.addEventListener("keydown", (event) => {
      if (stage.tool === "look" || event.target !== svg || !viewOf()) return;
      const [width, height] = viewOf().size_wh;
      const step = (event.shiftKey ? 0.1 : 0.02) * Math.max(width, height);
      const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
      cursor = cursor || [width / 2, height / 2];
      if (moves[event.key]) {
        cursor = inside([cursor[0] + moves[event.key][0], cursor[1] + moves[event.key][1]]);
        if (stage.tool === "paint" && down) strokes[strokes.length - 1].push(cursor);
      } else if (event.key === "Enter" && stage.tool === "point") marked({ point: round(cursor) });
      else if (event.key === "Enter" && stage.tool === "box") {
        if (from) box(from, cursor);
        from = from ? null : cursor;
      } else if (event.key === " " && stage.tool === "paint") {
        down = !down;
        if (down) strokes.push([cursor]);
        D.tell("paint", strokes.length);
      } else if (event.key === "Enter" && stage.tool === "paint") {
        down = false;
        stage.finishPaint();
      } else if (event.key === "Escape") stage.use(stage.tool);
      else return;
      event.preventDefault();
      redraw();
    });
  }
})();
