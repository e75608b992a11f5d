'use strict';
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', follow);
follow();

window.SwaggerUIBundle({
  url: '/api/openapi.json',
  domNode: document.getElementById('api'),
  presets: [window.SwaggerUIBundle.presets.apis],
  deepLinking: true,
  docExpansion: 'none',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  validatorUrl: null,
  // Our own pages send the CSRF token of the session with what changes something.
  requestInterceptor: (request) => {
    const token = document.cookie.match(/(?:^|; )stoa_csrf=([^;]+)/);
    if (token) request.headers['x-csrf-token'] = decodeURIComponent(token[1]);
    return request;
  },
});
