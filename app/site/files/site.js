// What pages do beyond links and forms. Without it they still read, send and answer.
(function () {
  "use strict";

  document.addEventListener("click", function (event) {
    var button = event.target.closest("[data-copy]");
    if (!button) return;
    var text = button.closest(".copy").querySelector("code").textContent;
    navigator.clipboard.writeText(text).then(
      function () { say(button, "Copied"); },
      function () { say(button, "Select it and copy"); }
    );
  });

  function say(button, text) {
    var before = button.textContent;
    button.textContent = text;
    setTimeout(function () { button.textContent = before; }, 1500);
  }

  // A model is called like its target, unless it was given a name.
  var target = document.getElementById("target"), model = document.getElementById("model");
  if (target && model) {
    target.addEventListener("change", function () {
      if (!model.value || model.dataset.made === model.value) {
        model.value = model.dataset.made = target.value.split("@")[0];
      }
    });
  }

  // A file that is dropped on its field, shown before it is sent.
  document.querySelectorAll("[data-drop]").forEach(function (zone) {
    var input = zone.querySelector("input[type=file]");
    ["dragover", "dragenter"].forEach(function (kind) {
      zone.addEventListener(kind, function (event) { event.preventDefault(); zone.classList.add("over"); });
    });
    ["dragleave", "drop"].forEach(function (kind) {
      zone.addEventListener(kind, function () { zone.classList.remove("over"); });
    });
    zone.addEventListener("drop", function (event) {
      event.preventDefault();
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
    input.addEventListener("change", function () {
      var image = zone.querySelector("img.preview");
      if (image && input.files.length) {
        image.src = URL.createObjectURL(input.files[0]);
        image.hidden = false;
      }
    });
  });

  // An upload that tells how far it is: bytes sent, then rows validated.
  var upload = document.querySelector("form[data-upload]");
  if (upload) {
    upload.addEventListener("submit", function (event) {
      event.preventDefault();
      var status = upload.querySelector("[data-status]");
      var bar = upload.querySelector("progress");
      var button = upload.querySelector("button[type=submit]");
      var request = new XMLHttpRequest();
      var read = 0;
      request.open("POST", upload.action);
      request.setRequestHeader("Accept", "text/event-stream");
      request.upload.onprogress = function (sent) {
        bar.value = sent.total ? sent.loaded / sent.total : 0;
        status.textContent = "Sent " + Math.round(100 * bar.value) + " % of " + size(sent.total);
      };
      request.upload.onload = function () { bar.removeAttribute("value"); status.textContent = "Validating"; };
      request.onprogress = take;
      request.onload = function () {
        if ((request.getResponseHeader("Content-Type") || "").indexOf("text/event-stream") === 0) {
          take();
          return;
        }
        var answer = null;
        try { answer = JSON.parse(request.responseText); } catch (error) { /* no JSON: told below */ }
        refused(answer || { detail: "The service answered " + request.status + ".", errors: [] });
      };
      request.onerror = function () { refused({ detail: "The service was not reached.", hint: "Is it running?", errors: [] }); };
      bar.hidden = false;
      button.disabled = true;
      clear();
      request.send(new FormData(upload));

      function take() {
        var blocks = request.responseText.slice(read).split("\n\n");
        for (var place = 0; place < blocks.length - 1; place += 1) {
          read += blocks[place].length + 2;
          var kind = /^event: ?(.*)$/m.exec(blocks[place]);
          var data = /^data: ?(.*)$/m.exec(blocks[place]);
          if (!kind || !data) continue;
          var told = JSON.parse(data[1]);
          if (kind[1] === "validating") status.textContent = "Validating: " + told.rows.toLocaleString("en") + " rows so far";
          if (kind[1] === "dataset") window.location.href = "/ui/datasets/" + told.ref;
          if (kind[1] === "problem") refused(told);
        }
      }

      function clear() {
        upload.querySelectorAll(".wrong[data-made]").forEach(function (one) { one.remove(); });
        upload.querySelectorAll("[aria-invalid]").forEach(function (one) { one.removeAttribute("aria-invalid"); });
        upload.querySelector("[data-problem]").hidden = true;
      }

      function refused(problem) {
        bar.hidden = true;
        button.disabled = false;
        status.textContent = "";
        var box = upload.querySelector("[data-problem]");
        box.querySelector("strong").textContent = problem.detail;
        box.querySelector("p").textContent = problem.hint || "";
        box.hidden = false;
        var more = upload.querySelector("details");
        (problem.errors || []).forEach(function (one) {
          var field = one.field && upload.elements[one.field];
          if (!field || !field.closest) return;
          if (more && more.contains(field)) more.open = true;
          var said = document.createElement("span");
          said.className = "wrong";
          said.dataset.made = "";
          said.id = one.field + "-problem";
          said.textContent = "Expected " + one.expected + ".";
          field.setAttribute("aria-invalid", "true");
          field.setAttribute("aria-describedby", said.id);
          field.after(said);
        });
        box.focus();
      }
    });
  }

  function size(bytes) {
    return bytes >= 1e6 ? (bytes / 1e6).toFixed(1) + " MB" : Math.ceil(bytes / 1e3) + " kB";
  }
})();
