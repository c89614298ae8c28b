// What Node.js prints by default: groups of three, and at most three decimals. There is no Intl here.
Object.defineProperty(Number.prototype, "toLocaleString", { configurable: true, writable: true, value: function (locale, options) {
  const value = Number(this);
  if (!Number.isFinite(value)) { return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞"; }
  const least = (options && options.minimumFractionDigits) || 0;
  const most = options && options.maximumFractionDigits !== undefined ? options.maximumFractionDigits : Math.max(3, least);
  let [whole, part = ""] = (Math.abs(value) < 1e21 ? Math.abs(value).toFixed(most) : BigInt(Math.abs(value)).toString()).split(".");
  while (part.length > least && part.endsWith("0")) { part = part.slice(0, -1); }
  whole = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return (value < 0 ? "-" : "") + whole + (part ? "." + part : "");
} });
