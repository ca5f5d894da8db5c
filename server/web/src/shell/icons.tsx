/// A broken link: Aksel has no such icon.
export function WifiSlashIcon() {
  return (
    <svg
      viewBox="0 0 24 24"
      width="28"
      height="28"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeLinecap="round"
      aria-hidden="true"
    >
      <path d="M2.5 9.5a14 14 0 0 1 5-3.1M11 5.5a14 14 0 0 1 10.5 4M6 13a9 9 0 0 1 3.6-2.1M14.5 11A9 9 0 0 1 18 13M9.3 16.5a4.2 4.2 0 0 1 5.4 0M12 20h.01M4 3l16 18" />
    </svg>
  );
}
