// The page around the data of the report. Its data is one JSON value, between the two halves.
#pragma once

namespace tenure::tool {

constexpr char kPageStart[] = R"page(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Heap profile</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --back: #fff; --text: #1c1c1c; --soft: #666; --line: #ddd; --hit: #7b2fd0; }
@media (prefers-color-scheme: dark) { :root { --back: #16181c; --text: #e4e4e4; --soft: #9a9a9a; --line: #333; --hit: #b98aff; } }
body { margin: 1rem; background: var(--back); color: var(--text); font: 14px/1.4 system-ui, sans-serif; }
h1 { font-size: 1.2rem; margin: 0 0 .5rem; }
form { display: flex; flex-wrap: wrap; gap: .75rem; margin-bottom: .75rem; align-items: center; }
input, select, button { font: inherit; }
#graph { position: relative; overflow: hidden; border: 1px solid var(--line); }
.frame { position: absolute; height: 19px; overflow: hidden; white-space: nowrap; box-sizing: border-box;
  border: 0; border-right: 1px solid var(--back); border-bottom: 1px solid var(--back); padding: 0 3px; font: 12px/18px monospace;
  text-align: left; color: #1c1c1c; cursor: pointer; }
.frame:focus-visible { outline: 2px solid var(--text); outline-offset: -2px; }
.frame.hit { background: var(--hit) !important; color: var(--back); }
#note { min-height: 1.4em; color: var(--soft); overflow-wrap: anywhere; }
table { border-collapse: collapse; margin-top: 1rem; width: 100%; }
th, td { padding: .15rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:last-child, td:last-child, th:nth-child(5), td:nth-child(5) { text-align: left; overflow-wrap: anywhere; }
td { font-variant-numeric: tabular-nums; }
</style></head><body>
<h1>Heap profile</h1>
<form id="controls">
<label>Show <select id="view"><option value="live">in use</option><option value="all">allocated</option>
<option value="gone">temporary (allocated and freed)</option></select></label>
<label>Tenant <select id="tenant"></select></label>
<label>Search <input id="search" type="search" placeholder="function"></label>
<button type="button" id="reset">Whole graph</button>
</form>
<div id="note" role="status"></div>
<div id="graph"></div>
<table><thead><tr><th>in use</th><th>objects</th><th>allocated</th><th>oldest</th><th>tenant</th><th>site</th></tr></thead>
<tbody id="sites"></tbody></table>
<script id="data" type="application/json">)page";

constexpr char kPageEnd[] = R"page(</script>
<script>
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const rows = data.rows.map(r => ({tenant: r[0], thread: r[1], size: r[2], live: r[3], liveObjects: r[4],
  all: r[5], allObjects: r[6], oldest: r[7], stack: r[8].map(n => data.names[n])}));
const at = id => document.getElementById(id);
const view = at('view'), tenant = at('tenant'), search = at('search'), graph = at('graph'), note = at('note');
let zoom = [];

function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; Math.abs(n) >= 1024 && unit < 4; ++unit) n /= 1024;
  return n.toFixed(unit ? 1 : 0) + ' ' + units[unit];
}
function value(row) { return view.value === 'live' ? row.live : view.value === 'all' ? row.all : row.all - row.live; }
function below(path, top) { return top === '' || top === '/' || path === top || path.startsWith(top + '/'); }
function chosen() { return rows.filter(row => below(row.tenant, tenant.value)); }

function tree() {
  const root = {name: 'all', value: 0, children: new Map()};
  for (const row of chosen()) {
    const amount = Math.abs(value(row));
    if (amount === 0) continue;
    let node = root;
    root.value += amount;
    for (const name of [row.tenant, ...row.stack]) {
      let child = node.children.get(name);
      if (!child) node.children.set(name, child = {name, value: 0, children: new Map()});
      child.value += amount;
      node = child;
    }
  }
  return root;
}
function colour(name) {
  let hash = 0;
  for (let i = 0; i < name.length; ++i) hash = (hash * 31 + name.charCodeAt(i)) | 0;
  return `hsl(${20 + Math.abs(hash) % 40} ${60 + Math.abs(hash >> 8) % 30}% 68%)`;
}
function draw() {
  const root = tree(), wanted = search.value.toLowerCase();
  let top = root, path = [];
  for (const name of zoom) {
    const child = top.children.get(name);
    if (!child) break;
    top = child;
    path.push(name);
  }
  zoom = path;
  graph.textContent = '';
  let deepest = 0, found = 0;
  const width = graph.clientWidth || 1000;
  const place = (node, trail, x, w, depth, counted) => {
    if (w < 1) return;
    const hit = wanted !== '' && node.name.toLowerCase().includes(wanted);
    if (hit && !counted) found += node.value;
    const box = document.createElement('button');
    box.type = 'button';
    box.className = hit ? 'frame hit' : 'frame';
    box.style.cssText = `left:${x}px;top:${depth * 19}px;width:${w}px;background:${colour(node.name)}`;
    box.textContent = w > 30 ? node.name : '';
    const share = root.value ? (100 * node.value / root.value).toFixed(1) : 0;
    box.title = `${node.name}\n${bytes(node.value)}, ${share} %`;
    box.onclick = () => { zoom = trail; draw(); };
    box.onmouseenter = box.onfocus = () => { note.textContent = `${node.name}: ${bytes(node.value)}, ${share} %`; };
    graph.append(box);
    deepest = Math.max(deepest, depth + 1);
    let left = x;
    for (const child of [...node.children.values()].sort((a, b) => a.name < b.name ? -1 : 1)) {
      const part = w * child.value / node.value;
      place(child, [...trail, child.name], left, part, depth + 1, counted || hit);
      left += part;
    }
  };
  let depth = 0, node = root;
  const trail = [];
  for (const name of zoom) {  // What leads to the zoomed frame has the whole width.
    place({name: node.name, value: node.value, children: new Map()}, [...trail], 0, width, depth++, false);
    node = node.children.get(name);
    trail.push(name);
  }
  place(top, [...zoom], 0, width, depth, false);
  graph.style.height = deepest * 19 + 'px';
  note.textContent = root.value === 0 ? 'Nothing to show.' :
    `${bytes(top.value)}${top === root ? '' : ' in ' + top.name}` +
    (wanted ? `; ${bytes(found)} in functions that match` : '') + (data.lost ? `; ${data.lost} samples were lost` : '');
  table(wanted);
}
function table(wanted) {
  const sites = new Map();
  for (const row of chosen()) {
    const key = row.tenant + '\n' + row.stack.join('\n');
    let site = sites.get(key);
    if (!site) sites.set(key, site = {tenant: row.tenant, stack: row.stack, live: 0, liveObjects: 0, all: 0, oldest: 0});
    site.live += row.live; site.liveObjects += row.liveObjects; site.all += row.all;
    site.oldest = Math.max(site.oldest, row.oldest);
    site.key = (site.key || 0) + value(row);
  }
  const body = at('sites');
  body.textContent = '';
  const shown = [...sites.values()].filter(site => wanted === '' || site.stack.some(n => n.toLowerCase().includes(wanted)));
  shown.sort((a, b) => Math.abs(b.key) - Math.abs(a.key));
  for (const site of shown.slice(0, 100)) {
    const line = body.insertRow();
    const cells = [bytes(site.live), Math.round(site.liveObjects), bytes(site.all), (site.oldest / 1000).toFixed(1) + ' s',
      site.tenant, [...site.stack].reverse().slice(0, 6).join(' < ')];
    for (const cell of cells) line.insertCell().textContent = cell;
  }
}
const paths = new Set(['/']);
for (const row of rows) {
  for (let end = row.tenant.length; end > 0; end = row.tenant.lastIndexOf('/', end - 1)) paths.add(row.tenant.slice(0, end));
}
for (const path of [...paths].sort()) tenant.add(new Option(path === '/' ? 'all' : path, path));
if (!rows.some(row => row.live !== 0)) view.value = 'all';
view.onchange = tenant.onchange = search.oninput = draw;
at('reset').onclick = () => { zoom = []; draw(); };
at('controls').onsubmit = () => false;
window.onresize = draw;
draw();
</script></body></html>
)page";

}  // namespace tenure::tool
