"use strict";
// Fetches the document beside this page and shows it; asks for a token if there is none without.
(() => {
  const who = document.getElementById("who");
  const field = document.getElementById("token");
  const problem = document.getElementById("problem");
  // Beside the page, whether its address ends in a slash or not.
  const address = new URL(location.pathname.replace(/docs\/?$/, "openapi.json"), location.href);
  let token = "";

  const show = (spec) => {
    who.hidden = true;
    document.title = spec.info.title;
    const ui = SwaggerUIBundle({
      spec,
      domNode: document.getElementById("tools"),
      deepLinking: true,
      tryItOutEnabled: true,
      displayRequestDuration: true,
      defaultModelsExpandDepth: 0,
      // Nothing is sent elsewhere to be checked.
      validatorUrl: null,
      requestInterceptor: (request) => {
        const here = new URL(request.url, location.href).origin === location.origin;
        if (token && here && !request.headers.Authorization) {
          request.headers.Authorization = `Bearer ${token}`;
        }
        return request;
      },
    });
    if (token) {
      ui.preauthorizeApiKey("HTTPBearer", token);
    }
  };

  const ask = (why) => {
    who.hidden = false;
    problem.textContent = why;
    field.focus();
  };

  const load = async () => {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    let answer;
    try {
      answer = await fetch(address, { headers, credentials: "omit", cache: "no-store" });
    } catch {
      return ask("The gateway cannot be reached.");
    }
    if (answer.ok) {
      return show(await answer.json());
    }
    if (answer.status === 401 || answer.status === 403) {
      return ask(token ? "This token is not known here." : "");
    }
    const wait = answer.headers.get("Retry-After");
    ask(`The gateway answered ${answer.status}.${wait ? ` Try again in ${wait} s.` : ""}`);
  };

  who.addEventListener("submit", (event) => {
    event.preventDefault();
    token = field.value.trim();
    load();
  });
  load();
})();
