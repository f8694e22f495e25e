// Renders /openapi.json, and sends requests from the page. Loads nothing but that document.
"use strict";

const TEXTS = {
  en: {
    filter: "Filter by path or words", login: "login", password: "password", signIn: "Sign in", signedIn: "signed in as",
    parameters: "Parameters", body: "Body", answers: "Answers", send: "Send", sending: "Sending …", fields: "Fields",
    required: "required", failed: "The document could not be loaded: ", nothing: "Nothing matches.", offline: "No answer: ",
    in: "in", name: "name", meaning: "meaning", value: "value", example: "Example",
  },
  zh: {
    filter: "按路径或文字筛选", login: "登录名", password: "密码", signIn: "登录", signedIn: "已登录:",
    parameters: "参数", body: "请求体", answers: "响应", send: "发送", sending: "发送中……", fields: "字段",
    required: "必填", failed: "无法加载文档:", nothing: "没有匹配项。", offline: "没有响应:",
    in: "位置", name: "名称", meaning: "含义", value: "值", example: "示例",
  },
};
const language = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const t = TEXTS[language];
const content = document.getElementById("content");
let api = null;
let token = null; // kept in this page only

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, handler] of Object.entries(value)) made.addEventListener(event, handler);
    else if (value !== false && value != null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

function followed(schema) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.replace("#/", "").split("/").reduce((node, part) => (node || {})[part], api) || {};
}

function kind(schema) {
  if (schema && schema.$ref) return schema.$ref.split("/").pop();
  const s = schema || {};
  const choices = s.anyOf || s.oneOf;
  if (choices) return choices.map(kind).join(" | ");
  if (s.allOf) return s.allOf.map(kind).join(" & ");
  if (s.enum) return s.enum.map((choice) => JSON.stringify(choice)).join(" | ");
  if (s.const !== undefined) return JSON.stringify(s.const);
  if (s.type === "array") return kind(s.items) + "[]";
  return [s.type || "any", s.format && `(${s.format})`].filter(Boolean).join(" ");
}

function example(schema, depth = 0) {
  const s = followed(schema);
  if (depth > 6) return null;
  if (s.examples && s.examples.length) return s.examples[0];
  if (s.default !== undefined && s.default !== null) return s.default;
  if (s.const !== undefined) return s.const;
  if (s.enum) return s.enum[0];
  const choices = (s.anyOf || s.oneOf || []).filter((choice) => choice.type !== "null");
  if (choices.length) return example(choices[0], depth + 1);
  if (s.allOf) return example(s.allOf[0], depth + 1);
  if (s.type === "array") return s.items ? [example(s.items, depth + 1)] : [];
  if (s.properties) {
    const needed = new Set(s.required || []);
    return Object.fromEntries(
      Object.entries(s.properties).filter(([name]) => needed.has(name)).map(([name, part]) => [name, example(part, depth + 1)]),
    );
  }
  if (s.type === "integer" || s.type === "number") return s.minimum ?? 0;
  if (s.type === "boolean") return false;
  if (s.type === "object") return {};
  if (s.format === "date") return new Date().toISOString().slice(0, 10);
  if (s.format === "date-time") return new Date().toISOString();
  return "";
}

function fieldTable(schema) {
  const s = followed(schema);
  if (!s.properties) return null;
  const needed = new Set(s.required || []);
  const rows = Object.entries(s.properties).map(([name, part]) =>
    element("tr", {},
      element("td", {}, element("code", {}, name)),
      element("td", {}, element("code", {}, kind(part)), needed.has(name) ? ` · ${t.required}` : ""),
      element("td", {}, part.description || followed(part).description || "")));
  return element("details", {}, element("summary", { class: "quiet" }, `${t.fields}: ${s.title || kind(schema)}`),
    element("table", {}, ...rows));
}

function jsonSchema(media) {
  const found = Object.entries(media || {}).find(([type]) => type.includes("json"));
  return found && found[1].schema;
}

function operationView(path, method, operation, shared) {
  const parameters = [...(shared || []), ...(operation.parameters || [])].map(followed);
  const inputs = new Map();
  const rows = parameters.map((parameter) => {
    const input = element("input", { autocomplete: "off", "aria-label": parameter.name });
    inputs.set(parameter, input);
    return element("tr", {},
      element("td", {}, element("code", {}, parameter.name), parameter.required ? ` · ${t.required}` : ""),
      element("td", { class: "quiet" }, parameter.in),
      element("td", {}, element("code", {}, kind(parameter.schema)), " ", parameter.description || ""),
      element("td", {}, input));
  });
  const bodySchema = operation.requestBody && jsonSchema(followed(operation.requestBody).content);
  const bodyInput = bodySchema && element("textarea", { spellcheck: "false", "aria-label": t.body });
  if (bodyInput) bodyInput.value = JSON.stringify(example(bodySchema), null, 2);
  const answers = Object.entries(operation.responses || {}).map(([status, answer]) => {
    const described = followed(answer);
    const schema = jsonSchema(described.content);
    return element("tr", {}, element("td", {}, element("code", {}, status)),
      element("td", {}, described.description || "", schema ? fieldTable(schema) : null));
  });
  const result = element("pre", { hidden: true, "aria-live": "polite" });
  const send = element("button", { on: { click: () => request(path, method, inputs, bodyInput, result) } }, t.send);
  return element("div", {},
    element("p", {}, operation.description || ""),
    rows.length ? element("h3", {}, t.parameters) : null,
    rows.length ? element("table", {}, element("tr", {}, ...[t.name, t.in, t.meaning, t.value].map((text) => element("th", {}, text))), ...rows) : null,
    bodyInput ? element("h3", {}, t.body) : null, bodyInput, bodySchema ? fieldTable(bodySchema) : null,
    element("p", {}, send), result,
    element("h3", {}, t.answers), element("table", {}, ...answers));
}

async function request(path, method, inputs, bodyInput, result) {
  const headers = { "Accept-Language": language === "zh" ? "zh-CN" : "en" };
  if (token) headers.Authorization = `Bearer ${token}`;
  const query = new URLSearchParams();
  let filled = path;
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") filled = filled.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value === "") continue;
    else if (parameter.in === "query") query.append(parameter.name, input.value);
    else if (parameter.in === "header") headers[parameter.name] = input.value;
  }
  const options = { method: method.toUpperCase(), headers };
  if (bodyInput) {
    headers["Content-Type"] = "application/json";
    options.body = bodyInput.value;
  }
  result.hidden = false;
  result.textContent = t.sending;
  try {
    const answer = await fetch(filled + (query.size ? `?${query}` : ""), options);
    const text = await answer.text();
    const shown = ["etag", "location", "retry-after", "ratelimit"].filter((name) => answer.headers.has(name))
      .map((name) => `${name}: ${answer.headers.get(name)}`);
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: shown as it is */ }
    result.textContent = [`${answer.status} ${answer.statusText}`, ...shown, "", pretty].join("\n");
  } catch (error) {
    result.textContent = t.offline + error;
  }
}

function render() {
  const wanted = document.getElementById("filter").value.trim().toLowerCase();
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of ["get", "post", "put", "patch", "delete"]) {
      const operation = item[method];
      if (!operation) continue;
      const words = `${method} ${path} ${operation.summary || ""} ${operation.description || ""}`.toLowerCase();
      if (wanted && !words.includes(wanted)) continue;
      const tag = (operation.tags || ["api"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      const details = element("details", { class: "operation" }, element("summary", {},
        element("span", { class: `method ${method}` }, method.toUpperCase()),
        element("span", { class: "path" }, path),
        element("span", { class: "quiet" }, operation.summary || "")));
      details.addEventListener("toggle", () => {
        if (details.open && details.children.length === 1) details.append(operationView(path, method, operation, item.parameters));
      });
      groups.get(tag).push(details);
    }
  }
  const sections = [...groups].map(([tag, operations]) => element("section", {}, element("h2", {}, tag), ...operations));
  const about = (api.info.description || "").split("\n\n").map((text) => element("p", { class: text.startsWith("**") ? "bad" : "quiet" }, text.replaceAll("**", "")));
  content.replaceChildren(...(wanted ? [] : about), ...(sections.length ? sections : [element("p", { class: "quiet" }, t.nothing)]));
}

async function signIn(event) {
  event.preventDefault();
  const who = document.getElementById("who");
  const login = document.getElementById("login").value;
  const body = JSON.stringify({ login, password: document.getElementById("password").value });
  const headers = { "Content-Type": "application/json", "Accept-Language": language === "zh" ? "zh-CN" : "en" };
  try {
    const answer = await fetch("/api/v1/accounts/token", { method: "POST", headers, body });
    const said = await answer.json();
    token = answer.ok ? said.access_token : null;
    who.textContent = answer.ok ? `${t.signedIn} ${login}` : said.detail;
    if (answer.ok) document.getElementById("password").value = "";
  } catch (error) {
    who.textContent = t.offline + error;
  }
}

async function start() {
  const filter = document.getElementById("filter");
  filter.placeholder = t.filter;
  filter.setAttribute("aria-label", t.filter);
  filter.addEventListener("input", () => api && render());
  const form = document.getElementById("sign-in");
  for (const name of ["login", "password"]) {
    const input = document.getElementById(name);
    input.placeholder = t[name];
    input.setAttribute("aria-label", t[name]);
  }
  form.querySelector("button").textContent = t.signIn;
  form.addEventListener("submit", signIn);
  try {
    const answer = await fetch("/openapi.json");
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    api = await answer.json();
    form.hidden = !api.paths["/api/v1/accounts/token"]; // an outside provider signs in elsewhere
    render();
  } catch (error) {
    content.replaceChildren(element("p", { class: "bad" }, t.failed + error));
  }
}

start();
