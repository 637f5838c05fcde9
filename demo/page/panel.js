/* The right side: summary, activity, the list of regions with what is known of each, and how to correct it. */
(() => {
  const D = window.describer;
  const { h } = D;

  D.panel = (element, { props, watch, trigger }) => {
    const root = h("div", { class: "panel" });
    element.replaceChildren(root);
    let rows = new Map();

    const files = (name) => {
      const get = (kind) => () => trigger("download", { kind });
      return h(
        "div",
        { class: "buttons files", role: "group", "aria-label": "Take the annotation along" },
        h("button", { type: "button", id: "download-native", onclick: get("native") }, "Download JSON"),
        h("button", { type: "button", id: "download-coco", onclick: get("coco") }, "Download COCO"),
        props.saving
          ? h("button", { type: "button", id: "save-training", onclick: () => trigger("save", {}) }, "Save for training")
          : null
      );
    };

    const draw = () => {
      const view = D.view;
      rows = new Map();
      root.replaceChildren();
      if (!view) return;
      const activities = view.activities.map((said) =>
        h("span", { class: "activity" }, h("small", {}, said.level), ` ${said.label} `, h("small", {}, said.sure))
      );
      const summary = h("p", { class: "summary" }, D.sentence(view.summary.parts));
      root.append(
        h("h2", {}, "What is seen"),
        view.note ? h("p", { class: "warning", role: "alert" }, view.note) : "",
        h("div", { class: "activities" }, activities),
        summary,
        view.summary.refuted.length ? h("p", { class: "warning" }, `Refuted by the masks: ${view.summary.refuted.join("; ")}`) : "",
        h("p", { class: "hint" }, view.summary.text_sure ? `Summary: ${view.summary.text_sure}` : ""),
        editor(null, view.summary.text)
      );
      const list = h("ol", { class: "regions", "aria-label": "Regions" });
      for (const region of view.regions) list.append(row(region));
      root.append(h("h2", {}, `Regions (${view.regions.length})`, h("small", {}, " and how sure the model is")), list, foot(view), files(view.name));
      look();
    };

    const foot = (view) => {
      const again = h("button", { type: "button", id: "again", onclick: () => (D.busy(true), trigger("again", {})) }, "Write the sentences again");
      return view.corrected
        ? h("div", { class: "foot" }, h("p", { class: "hint" }, `${view.corrected} by hand.`), again)
        : "";
    };

    function row(region) {
      const open = () => D.select(region.id);
      const head = h(
        "button",
        { type: "button", class: "region-row", "aria-expanded": "false", onclick: open, ...D.lights(region.id) },
        D.badge(region),
        h("span", { class: "name" }, region.label),
        h("span", { class: "sure" }, region.sure)
      );
      const body = h("div", { class: "body", hidden: true });
      const item = h("li", { "data-region": region.id, style: `--region:${region.colour}` }, head, body);
      rows.set(region.id, { item, head, body, region, drawn: false });
      return item;
    }

    function known(region) {
      const touches = region.touches.flatMap((other, i) => [
        i ? ", " : "",
        ...D.sentence([{ text: `${other.label} (${other.id})`, region: other.id }]),
      ]);
      const rows = [
        ["Touches", touches.length ? touches : ["nothing"]],
        region.does.length ? ["Does", [region.does.join(", ")]] : null,
        ["Where", [region.place]],
        ["Size", [region.size]],
        ["The label", [region.sure]],
        ["The sentence", [region.text_sure || "none yet"]],
        region.refuted.length ? ["Refuted", [region.refuted.join("; ")]] : null,
        region.withheld.length ? ["Held back", [region.withheld.join("; ")]] : null,
        region.note ? ["Note", [region.note]] : null,
      ];
      return h("dl", {}, rows.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    }

    function correct(region) {
      const name = `label-${region.id}`;
      const label = h("input", { list: "known-labels", value: region.label, id: name, maxlength: 80, autocomplete: "off" });
      const rename = (event) => {
        event.preventDefault();
        trigger("rename", { region: region.id, label: label.value });
      };
      const others = D.view.regions.filter((other) => other.id !== region.id);
      const other = h("select", { id: `merge-${region.id}` }, others.map((o) => h("option", { value: o.id }, `${o.id} ${o.label}`)));
      const merge = () => trigger("merge", { region: region.id, other: Number(other.value) });
      return h(
        "details",
        { class: "correct" },
        h("summary", {}, "Correct"),
        h("datalist", { id: "known-labels" }, D.view.labels.map((known) => h("option", { value: known }))),
        h("form", { onsubmit: rename }, h("label", { for: name }, "Label"), label, h("button", { type: "submit" }, "Rename")),
        others.length
          ? h("div", { class: "line" }, h("label", { for: other.id }, "Merge with"), other, h("button", { type: "button", onclick: merge }, "Merge"))
          : null,
        editor(region.id, region.text),
        h("button", { type: "button", class: "delete", onclick: () => trigger("delete", { region: region.id }) }, "Delete region")
      );
    }

    function editor(id, text) {
      const area = h("textarea", { rows: 3, maxlength: 2000, "aria-label": id === null ? "Summary" : `Sentence of region ${id}` });
      area.value = text;
      const edit = (event) => {
        event.preventDefault();
        trigger("edit", { region: id, text: area.value });
      };
      return h("details", { class: "edit" }, h("summary", {}, id === null ? "Edit the summary" : "Edit the sentence"), h("form", { onsubmit: edit }, area, h("button", { type: "submit" }, "Keep")));
    }

    function look() {
      rows.forEach((entry, id) => {
        const open = id === D.selected;
        entry.item.classList.toggle("lit", id === (D.hovered ?? D.selected));
        entry.head.setAttribute("aria-expanded", open);
        if (open && !entry.drawn) {
          entry.body.append(h("p", {}, D.sentence(entry.region.parts)), known(entry.region), correct(entry.region));
          entry.drawn = true;
        }
        if (open && entry.body.hidden) {
          const list = entry.item.parentElement;
          requestAnimationFrame(() => (list.scrollTop = entry.item.offsetTop - list.offsetTop - 8));
        }
        entry.body.hidden = !open;
      });
    }
    D.on("regions", draw);
    D.on("look", look);
    draw();
  };

  /* Files are made here from text that comes with the answer: nothing lies on the server. */
  D.files = (element, { props, watch }) => {
    watch("value", () => {
      const file = props.value;
      if (file && file.name) D.save(file.name, file.text, file.type);
    });
  };

  D.messages = (element, { props, watch }) => {
    const line = h("div", { class: "message", role: "alert", hidden: true });
    const close = h("button", { type: "button", "aria-label": "Close this message", onclick: () => (line.hidden = true) }, "✕");
    element.replaceChildren(line);
    const say = ({ kind, text }) => {
      line.className = `message ${kind}`;
      line.hidden = !text;
      line.replaceChildren(h("span", {}, text), kind === "busy" ? "" : close);
    };
    watch("value", () => {
      if (!props.value) return;
      say(props.value);
      if (props.value.text) D.busy(false);
    });
    D.on("message", say);
  };

  D.status = (element, { props, watch }) => {
    const line = h("p", { class: "status", role: "status" });
    element.replaceChildren(line);
    const say = () => {
      line.className = `status ${props.value ? props.value.state : "loading"}`;
      line.textContent = props.value ? props.value.text : "Loading the models";
    };
    watch("value", say);
    say();
  };
})();
