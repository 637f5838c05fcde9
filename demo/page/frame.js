/* The left side: where a picture comes in, the frame, what is shown of it, and the sentence of what is looked at. */
(() => {
  const D = window.describer;
  const { h } = D;
  const SHOWN = [["masks", "Masks"], ["boxes", "Boxes"], ["labels", "Labels"], ["depth", "Depth"]];
  const TOOLS = [["look", "Look"], ["point", "Point"], ["box", "Box"], ["paint", "Paint"]];
  const HINTS = {
    look: "Point at a region, or tap it, to read about it.",
    point: "Click what you mean. Keyboard: arrows, then Enter.",
    box: "Draw a box around what you mean. Keyboard: arrows, Enter at two corners.",
    paint: "Paint over what you mean, then Describe. Keyboard: arrows, Space for the brush, Enter.",
  };

  const FIRST =
    "Drop one endoscopic or laparoscopic frame. You get its instruments and tissues lit and described, can ask about " +
    "it, mend what is wrong and take the annotation along. Nothing is kept here unless you save it.";

  D.picture = (element, { props, watch }) => {
    const take = () => {
      D.pixels = props.value;
      D.tell("view");
    };
    watch("value", take);
    take();
  };

  D.frame = (element, { props, watch, trigger, upload }) => {
    const took = async (file) => {
      D.message("busy", `Sending ${file.name}`);
      try {
        const sent = await D.send(upload, file, props.upload_mb);
        D.message("busy", "");
        act("drop", sent);
      } catch (error) {
        D.message("error", error.message || `${file.name} could not be sent; it may be too large.`);
      }
    };
    const act = (event, what) => {
      D.busy(true);
      trigger(event, what);
    };
    const stage = D.stage((drawn) => act("mark", drawn));
    const zone = D.dropZone("Drop, paste or choose a picture", "image/*,.tif,.tiff,.bmp", took);
    const examples = h("div", { class: "examples", role: "group", "aria-label": "Example frames" }, h("span", { class: "hint" }, "Or an example:"));
    for (const [i, example] of (props.examples || []).entries()) {
      const picture = h("img", { src: example.thumbnail, alt: "", width: 72, height: 58 });
      const title = `Example frame: ${example.name}`;
      const attributes = { type: "button", title, "aria-label": title, onclick: () => act("example", { index: i }) };
      examples.append(h("button", attributes, picture));
    }

    const shown = h("div", { class: "buttons", role: "group", "aria-label": "Show" }, h("span", { class: "hint" }, "Show"));
    const depthButton = {};
    for (const [name, words] of SHOWN) {
      const button = h("button", { type: "button", "aria-pressed": String(stage.shown[name]), "data-show": name }, words);
      button.addEventListener("click", () => {
        stage.shown[name] = !stage.shown[name];
        button.setAttribute("aria-pressed", stage.shown[name]);
        stage.show();
      });
      if (name === "depth") {
        depthButton.node = button;
        button.title = "Relative depth: near bright, far dark";
      }
      shown.append(button);
    }
    const describe = h("button", { type: "button", class: "primary", hidden: true, onclick: () => stage.finishPaint() }, "Describe");
    D.on("paint", (count) => (describe.hidden = !count));
    const tools = h("div", { class: "buttons", role: "group", "aria-label": "Mark by hand" }, h("span", { class: "hint" }, "Mark"));
    const useTool = (tool) => {
      stage.use(tool);
      tools.querySelectorAll("button[data-tool]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.tool === tool));
      say();
    };
    for (const [name, words] of TOOLS) {
      tools.append(h("button", { type: "button", "data-tool": name, onclick: () => useTool(name) }, words));
    }
    tools.append(describe);

    const caption = h("div", { class: "caption", role: "status", id: "caption" });
    const say = () => {
      const region = D.region(D.hovered ?? D.selected);
      caption.replaceChildren();
      const hint = h("p", { class: "hint" }, D.view ? HINTS[stage.tool] : FIRST);
      if (!region) return caption.append(hint);
      const text = h("p", {}, h("strong", {}, region.label), ` (${region.sure}) `, region.text);
      caption.append(D.badge(region), h("div", {}, text, stage.tool === "look" ? null : hint));
    };
    D.on("look", say);

    const bar = h("div", { class: "toolbar", hidden: true }, shown, tools);
    const key = h("div", { class: "depth-key", "aria-hidden": "true" }, "far", h("i", {}), "near");
    const holder = h("div", { class: "frame-holder" }, stage.svg, key);
    element.replaceChildren(h("div", { class: "frame" }, h("div", { class: "intake" }, zone, examples), bar, holder, caption));
    D.droppable(holder, took);
    document.addEventListener("paste", (event) => {
      const file = [...(event.clipboardData?.files || [])][0];
      if (!file) return;
      event.preventDefault();
      took(file);
    });

    const take = () => {
      const view = props.value && props.value.size_wh ? props.value : null;
      /* The pixels come as a value of their own, once a frame; they may come a moment later. */
      if (view && (!D.pixels || D.pixels.key !== view.key)) return;
      D.busy(false);
      const same = D.view && view && D.view.key === view.key;
      D.view = view;
      if (!same) D.selected = null;
      if (view && view.select) D.selected = view.select;
      if (D.selected !== null && !D.region(D.selected)) D.selected = null;
      D.hovered = null;
      element.firstChild.classList.toggle("empty", !view);
      bar.hidden = !view;
      depthButton.node.hidden = !(view && D.pixels.depth);
      holder.dataset.frame = view ? view.key : "";
      stage.draw(view, view && D.pixels.picture, view && D.pixels.depth);
      if (!same) useTool("look");
      D.tell("regions");
      D.tell("look");
    };
    D.on("view", take);
    watch("value", take);
    useTool("look");
    take();
  };
})();
