/* Draws a chart from the table of each figure element, and sets the light or dark colours.
 * SPDX-License-Identifier: BSD-2-Clause */
"use strict";
(() => {
    const COLOURS = 7;
    const HEIGHT = 270;
    const MIB = 1048576;

    /* --- numbers as people read them; the tables of the page show numbers in these forms, too --- */

    const grouped = (number) => Math.round(number).toLocaleString("en");
    const size = (bytes) => {
        const units = ["B", "KiB", "MiB", "GiB"];
        let unit = 0;
        while (bytes >= 1024 && unit < 3) {
            bytes /= 1024;
            unit++;
        }
        return `${Number(bytes.toFixed(1))} ${units[unit]}`;
    };
    /* Returns a time of day in UTC, or only the date if the places on the axis lie a day or more apart (`step`
     * seconds). */
    const clock = (seconds, step) => {
        const text = new Date(seconds * 1000).toISOString();
        return step >= 86400 ? text.slice(0, 10) : text.slice(11, step >= 60 ? 16 : step >= 1 ? 19 : 23);
    };
    const FORMS = {
        bytes: { axis: (value) => size(value), value: (value) => `${(value / MIB).toFixed(2)} MiB`, base: 2 },
        mib: {
            axis: (value) => `${Number(value.toFixed(1))} MiB`,
            value: (value) => `${Number(value.toPrecision(4))} MiB`,
        },
        share: { axis: (value) => `${Math.round(value * 100)} %`, value: (value) => `${(value * 100).toFixed(1)} %` },
        count: { axis: grouped, value: grouped },
    };
    const TIMES = {
        time: (value) => `${new Date(value * 1000).toISOString().slice(0, 23).replace("T", " ")} UTC`,
        number: (value) => `sample ${value}`,
        seconds: (value) => `${value} s`,
        size: (value) => size(2 ** value),
    };

    /* --- the table of a figure element --- */

    const number = (cell) => {
        const text = cell.dataset.v ?? cell.textContent;
        return text === "" || text === "-" ? null : Number(text);
    };

    /* Returns the columns of the table: the first one has the places on the horizontal axis. */
    function read(figure) {
        const names = [...figure.querySelectorAll("thead th")].map((cell) => cell.textContent);
        const rows = [...figure.querySelectorAll("tbody tr")];
        const columns = names.map((_, column) => rows.map((row) => number(row.cells[column])));
        return { names: names.slice(1), labels: rows.map((row) => row.cells[0].textContent), xs: columns[0],
                 columns: columns.slice(1) };
    }

    /* --- shapes: each function makes, of the columns that are shown, the data that the library uPlot draws --- */

    const add = (one, other) => (one === null || other === null ? null : one + other);

    /* Adds each column to those before it. The sum of all comes first, so that the lesser sums are painted over it. */
    function stack(columns, shown) {
        const sums = [];
        let sum = columns[0].map(() => 0);
        for (let i = 0; i < columns.length; i++) {
            sum = shown[i] ? sum.map((value, at) => add(value, columns[i][at])) : sum;
            sums.unshift(sum);
        }
        return sums;
    }

    /* Makes the stairs that show a histogram: each is as wide as the range of sizes of its row. A missing row has no
     * stair. */
    function stairs(data) {
        const xs = [], ys = [];
        data.xs.forEach((to, row) => {
            /* the first row has all sizes up to its end; drawn whole, it would be as wide as the rest of the chart */
            const from = Math.log2(Math.max(data.columns[0][row], to / 2));
            if (xs.length > 0 && xs[xs.length - 1] < from) {
                ys[ys.length - 1] = 0;
            }
            if (xs.length === 0 || xs[xs.length - 1] < from) {
                xs.push(from);
                ys.push(0);
            }
            ys[ys.length - 1] = data.columns[1][row];
            xs.push(Math.log2(to));
            ys.push(0);
        });
        return [xs, ys];
    }

    const colour = (element, property) => getComputedStyle(element)[property];

    /* --- a chart --- */

    class Chart {
        constructor(figure, index) {
            this.figure = figure;
            this.kind = figure.dataset.kind;
            this.form = FORMS[figure.dataset.unit];
            this.data = read(figure);
            this.sayPlace = TIMES[figure.dataset.places];
            this.isSizes = this.kind === "sizes";
            this.names = this.isSizes ? ["requests"] : this.data.names;
            this.values = this.isSizes ? [this.data.columns[1]] : this.data.columns;
            this.shown = this.names.map(() => true);
            this.at = this.data.xs.length - 1;
            this.build(index);
            this.draw();
            new ResizeObserver(() => this.resize()).observe(this.plot);
        }

        /* Makes the elements: the legend, the plot, which can have the keyboard's focus, and the line that says where
         * the cursor is. */
        build(index) {
            const details = this.figure.querySelector("details");
            this.legend = document.createElement("ul");
            this.legend.className = "legend";
            this.outputs = this.names.map((name, at) => this.addName(name, at));
            this.plot = document.createElement("div");
            this.plot.className = "plot";
            const title = this.figure.getAttribute("aria-labelledby");
            for (const [key, value] of Object.entries({ role: "slider", tabindex: "0", "aria-labelledby": title,
                "aria-describedby": `keys${index}`, "aria-orientation": "horizontal", "aria-valuemin": "0",
                "aria-valuemax": String(this.data.xs.length - 1) })) {
                this.plot.setAttribute(key, value);
            }
            this.place = document.createElement("p");
            this.place.className = "at";
            const keys = document.createElement("p");
            keys.id = `keys${index}`;
            keys.hidden = true;
            keys.textContent = "The left and right arrow keys move through the chart, as do Page Up, Page Down, Home " +
                "and End. The table below has all figures.";
            this.plot.addEventListener("keydown", (event) => this.key(event));
            details.before(this.legend, this.plot, this.place, keys);
            this.tell();
        }

        addName(name, at) {
            const item = document.createElement("li");
            const label = document.createElement("label");
            const box = document.createElement("input");
            const swatch = document.createElement("i");
            const output = document.createElement("output");
            const isOurs = this.figure.dataset.ours === name;
            box.type = "checkbox";
            box.checked = true;
            box.disabled = this.names.length === 1;
            box.hidden = box.disabled;
            box.addEventListener("change", () => {
                this.shown[at] = box.checked;
                this.draw();
            });
            /* after COLOURS series the colours repeat, with an empty square in the legend, and a lighter area or a
             * broken line */
            swatch.style.borderColor = isOurs ? "var(--ours)" : `var(--c${at % COLOURS})`;
            swatch.style.background = at < COLOURS ? swatch.style.borderColor : "none";
            label.append(box, swatch, name, output);
            item.append(label);
            this.legend.append(item);
            return output;
        }

        swatches() {
            return [...this.legend.querySelectorAll("i")].map((swatch) => colour(swatch, "borderTopColor"));
        }

        /* Returns the place of the cursor and the values there, in words. */
        words() {
            const parts = this.names.map((name, i) => {
                const value = this.values[i][this.at];
                return this.shown[i] ? `${name} ${value === null ? "unknown" : this.form.value(value)}` : "";
            });
            return `${this.placeName()}: ${parts.filter((part) => part !== "").join(", ")}`;
        }

        placeName() {
            if (!this.isSizes) {
                return this.sayPlace(this.data.xs[this.at]);
            }
            return `${grouped(this.data.columns[0][this.at] + 1)} to ${grouped(this.data.xs[this.at])} bytes`;
        }

        tell() {
            this.place.textContent = this.placeName();
            this.outputs.forEach((output, i) => {
                const value = this.values[i][this.at];
                output.textContent = value === null ? "unknown" : this.form.value(value);
            });
            this.plot.setAttribute("aria-valuenow", String(this.at));
            this.plot.setAttribute("aria-valuetext", this.words());
        }

        key(event) {
            const last = this.data.xs.length - 1;
            const page = Math.max(1, Math.round(last / 10));
            const to = { ArrowLeft: this.at - 1, ArrowDown: this.at - 1, ArrowRight: this.at + 1, ArrowUp: this.at + 1,
                         PageDown: this.at - page, PageUp: this.at + page, Home: 0, End: last }[event.key];
            if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) {
                return;
            }
            event.preventDefault();
            this.move(Math.min(Math.max(to, 0), last));
        }

        /* Returns the place of a row on the horizontal axis. In a histogram, this is the middle of the sizes of the
         * row. */
        middle(row) {
            const to = this.data.xs[row];
            return this.isSizes ? (Math.log2(to) + Math.log2(Math.max(this.data.columns[0][row], to / 2))) / 2 : to;
        }

        move(row) {
            this.at = row;
            this.tell();
            const left = this.uplot.valToPos(this.middle(row), "x");
            this.isMoving = true;
            this.uplot.setCursor({ left, top: this.uplot.over.clientHeight / 2 });
            this.isMoving = false;
        }

        /* Follows the mouse to the nearest row. */
        follow(uplot) {
            if (this.isMoving || uplot.cursor.left === null || uplot.cursor.left < 0) {
                return;
            }
            const at = uplot.posToVal(uplot.cursor.left, "x");
            let nearest = 0;
            this.data.xs.forEach((_, row) => {
                nearest = Math.abs(this.middle(row) - at) < Math.abs(this.middle(nearest) - at) ? row : nearest;
            });
            this.at = nearest;
            this.tell();
        }

        series(swatches) {
            const line = (i) => ({ stroke: swatches[i], width: 2, points: { show: false },
                                   dash: i < COLOURS ? undefined : [6, 4] });
            if (this.isSizes) {
                return [{ ...line(0), fill: swatches[0], width: 1, paths: uPlot.paths.stepped({ align: 1 }) }];
            }
            const all = this.names.map((name, i) => ({ ...line(i), label: name, show: this.shown[i] }));
            if (this.kind === "stack") {
                all.forEach((one, i) => {
                    one.fill = i < COLOURS ? swatches[i] : `color-mix(in srgb, ${swatches[i]}, ${this.ground} 55%)`;
                    one.stroke = this.ground;
                    one.width = 1;
                    one.dash = undefined;
                });
                return all.reverse();
            }
            all.forEach((one, i) => {
                one.width = this.figure.dataset.ours === this.names[i] ? 3.5 : 2;
            });
            return all;
        }

        /* Draws a line at each mark, such as the largest request of a bucket, with its name at the top if there is
         * space. */
        drawMarks(uplot) {
            const { ctx, bbox } = uplot;
            let free = bbox.left;
            ctx.save();
            ctx.strokeStyle = ctx.fillStyle = colour(this.figure.querySelector("figcaption"), "color");
            ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
            ctx.lineWidth = devicePixelRatio;
            ctx.textAlign = "center";
            ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
            for (const mark of (this.figure.dataset.marks ?? "").split(";").filter((text) => text !== "")) {
                const [at, name] = mark.split("=");
                const x = uplot.valToPos(this.isSizes ? Math.log2(at) : Number(at), "x", true);
                if (x < bbox.left || x > bbox.left + bbox.width) {
                    continue;
                }
                ctx.beginPath();
                ctx.moveTo(x, bbox.top);
                ctx.lineTo(x, bbox.top + bbox.height);
                ctx.stroke();
                const half = ctx.measureText(name).width / 2;
                const place = Math.min(Math.max(x, bbox.left + half), bbox.left + bbox.width - half);
                if (place - half >= free) {
                    ctx.fillText(name, place, bbox.top - 5 * devicePixelRatio);
                    free = place + half + 4 * devicePixelRatio;
                }
            }
            ctx.restore();
        }

        /* Returns the ends of the horizontal axis. An axis of sizes begins and ends at a power of two. */
        spread(xs) {
            const [least, most] = [xs[0], xs[xs.length - 1]];
            return this.isSizes ? [Math.floor(least), Math.ceil(most + 0.2)] : [least, most];
        }

        /* Returns the options of the horizontal axis. An axis of sizes is logarithmic, with lines at powers of two. */
        across(axis) {
            if (this.isSizes) {
                return { ...axis, values: (_, places) => places.map((place) => size(2 ** place)),
                         incrs: [1, 2, 3, 4, 5, 10], space: 60 };
            }
            if (this.figure.dataset.places === "seconds") {
                return { ...axis, values: (_, places) => places.map((place) => `${place} s`) };
            }
            if (this.figure.dataset.places === "number") {
                return { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] };
            }
            const clocks = (_, places, __, ___, step) => places.map((place) => clock(place, step));
            return { ...axis, space: 80, values: clocks };
        }

        draw() {
            const ink = colour(this.figure.querySelector("figcaption"), "color");
            const swatches = this.swatches();
            this.ground = colour(document.body, "backgroundColor");
            const axis = { stroke: ink, font: "12px system-ui, sans-serif",
                           grid: { stroke: colour(this.figure.querySelector("th"), "borderBottomColor"), width: 1 },
                           ticks: { show: false } };
            const isShare = this.figure.dataset.unit === "share";
            const columns = this.kind === "stack" ? stack(this.values, this.shown) : this.values;
            const [xs, ...ys] = this.isSizes ? stairs(this.data) : [this.data.xs, ...columns];
            this.uplot?.destroy();
            this.uplot = new uPlot({
                width: this.plot.clientWidth || 600,
                height: HEIGHT,
                padding: [18, 28, 0, 0],
                legend: { show: false },
                cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
                tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
                scales: { x: { time: this.figure.dataset.places === "time", range: () => this.spread(xs) },
                          y: { range: (_, least, most) => [0, isShare ? 1 : most * 1.05 || 1] } },
                axes: [this.across({ ...axis, size: 30 }),
                       { ...axis, size: 72, values: (_, places) => places.map(this.form.axis),
                         incrs: this.form.base === 2 ? [...Array(50).keys()].map((power) => 2 ** power) : undefined }],
                series: [{}, ...this.series(swatches)],
                hooks: { draw: [(uplot) => this.drawMarks(uplot)], setCursor: [(uplot) => this.follow(uplot)] },
            }, [xs, ...ys], this.plot);
            this.width = this.plot.clientWidth;
        }

        resize() {
            if (this.plot.clientWidth > 0 && this.plot.clientWidth !== this.width) {
                this.width = this.plot.clientWidth;
                this.uplot.setSize({ width: this.width, height: HEIGHT });
            }
        }
    }

    const charts = [...document.querySelectorAll("figure[data-kind]")].map((figure, index) => new Chart(figure, index));

    /* --- the colours --- */

    const redraw = () => charts.forEach((chart) => chart.draw());
    const choice = document.querySelector("#theme");
    const remember = (theme) => {
        try {
            localStorage.setItem("sockmalloc-theme", theme);
        } catch {
            /* A browser may keep nothing for a page that it reads from a file. */
        }
    };
    const recall = () => {
        try {
            return localStorage.getItem("sockmalloc-theme") ?? "";
        } catch {
            return "";
        }
    };
    const wear = (theme) => {
        document.documentElement.dataset.theme = theme;
        redraw();
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    matchMedia("print").addEventListener("change", redraw);
    choice.addEventListener("change", () => {
        remember(choice.value);
        wear(choice.value);
    });
    choice.parentElement.hidden = false;
    choice.value = ["light", "dark"].includes(recall()) ? recall() : "";
    if (choice.value !== "") {
        wear(choice.value);
    }
})();
