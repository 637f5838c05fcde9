/* What all parts of the page share: elements made from text only, and which region is looked at. */
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  /* Texts of models and visitors only ever become text nodes and attribute values, never markup. */
  function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return node;
  }
  const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  const listeners = {};
  const on = (name, heard) => (listeners[name] = listeners[name] || []).push(heard);
  const tell = (name, what) => (listeners[name] || []).forEach((heard) => heard(what));

  const D = (window.describer = { h, s, on, tell, view: null, selected: null, hovered: null });

  D.select = (id) => {
    D.selected = D.selected === id ? null : id;
    tell("look");
  };
  D.hover = (id) => {
    D.hovered = id;
    tell("look");
  };
  D.region = (id) => (D.view ? D.view.regions.find((region) => region.id === id) : null) || null;
  /* A finger does not hover: what would move below it as it comes down is not what was aimed at. */
  D.lights = (id) => ({
    onpointerenter: (event) => event.pointerType !== "touch" && D.hover(id),
    onpointerleave: () => D.hover(null),
    onfocus: () => D.hover(id),
    onblur: () => D.hover(null),
  });

  /* A text in pieces: what names a region lights it up, what no region stands behind is marked. */
  D.sentence = (parts, view = D.view) =>
    parts.map((part) => {
      if (part.region) {
        const go = () => D.selected !== part.region && D.select(part.region);
        const look = D.lights(part.region);
        const region = view && view.regions.find((one) => one.id === part.region);
        const colour = region ? `--region:${region.colour}` : "";
        return h("button", { type: "button", class: "mention", style: colour, onclick: go, ...look }, part.text);
      }
      if (part.ungrounded) {
        const why = "No region stands behind this word";
        return h("span", { class: "ungrounded", title: why }, part.text, h("span", { class: "only-read" }, ` (${why})`));
      }
      return document.createTextNode(part.text);
    });

  D.badge = (region) => h("span", { class: "badge", style: `--region:${region.colour}`, "aria-hidden": "true" }, region.id);

  D.save = (name, text, type) => {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = h("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  };

  /* Gradio's own upload, under a name no two uploads share: two visitors may send the same picture at once. */
  D.send = async (upload, file, mostMb) => {
    if (file.size > mostMb * 1e6) {
      throw new Error(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB, at most ${mostMb} MB are taken.`);
    }
    const bytes = crypto.getRandomValues(new Uint8Array(12));
    const unique = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const suffix = (file.name.match(/\.[A-Za-z0-9]{1,8}$/) || [""])[0];
    const sent = await upload(new File([file], unique + suffix, { type: file.type }));
    return { path: sent.path, name: file.name };
  };

  /* Where a file can be dropped or chosen. */
  D.dropZone = (words, accept, took) => {
    const input = h("input", { type: "file", accept, class: "only-read", "aria-label": words });
    const zone = h("label", { class: "drop-zone" }, input, h("span", {}, words));
    input.addEventListener("change", () => {
      if (input.files.length) took(input.files[0]);
      input.value = "";
    });
    D.droppable(zone, took);
    return zone;
  };
  D.droppable = (node, took) => {
    const over = (event, is) => {
      event.preventDefault();
      event.stopPropagation();
      node.classList.toggle("over", is);
    };
    node.addEventListener("dragover", (event) => over(event, true));
    node.addEventListener("dragleave", (event) => over(event, false));
    node.addEventListener("drop", (event) => {
      over(event, false);
      if (event.dataTransfer.files.length) took(event.dataTransfer.files[0]);
    });
  };

  /* While the models change the frame's annotation nothing else may: the later answer would undo the earlier one. */
  D.busy = (is) => {
    document.querySelectorAll("#frame .intake, #frame .toolbar, #panel .panel").forEach((node) => (node.inert = is));
  };
  D.message = (kind, text) => tell("message", { kind, text });
})();
