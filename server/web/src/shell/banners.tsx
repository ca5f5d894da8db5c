/// The two things a nurse must not overlook: that time is simulated, and that the link is broken.
import { WifiSlashIcon } from "./icons";
import type { About } from "../api";
import * as format from "../format";
import { useWords } from "../i18n";
import { useLink } from "../live";

export function Banners({ about }: { about: About }) {
  const words = useWords();
  const link = useLink();
  return (
    <>
      {about.speed !== 1 && <p className="banner banner-simulated">{words.shell.simulated(format.plain(about.speed))}</p>}
      <div role="alert">
        {link.broken && (
          <div className="banner banner-broken">
            <WifiSlashIcon />
            <p>
              <b>{words.shell.broken(format.clockSeconds(link.heardMs))}</b> {words.shell.brokenWhat}
            </p>
          </div>
        )}
      </div>
    </>
  );
}
