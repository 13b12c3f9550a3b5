// Package assets owns what every page of Headrace is made of: styles, scripts, icons and template parts, embedded, and
// served under addresses that change with their content. It must not know any page or where its data comes from.
//
// Styles are layers: tokens, base, layout and parts are here; a page's own rules stand beside its template, and its house
// hands them to [New]. Scripts are ES modules that import each other by relative address, so the version is a folder.
package assets
