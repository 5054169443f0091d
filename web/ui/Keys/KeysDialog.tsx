import { useWords } from "../../i18n";
import type { Key } from "../../i18n";
import { Dialog } from "../Dialog/Dialog";
import { Check } from "../Field/Field";
import "./Keys.css";

interface Props {
  keys: readonly { key: string; does: Key & `keys.${string}` }[];
  enabled: boolean;
  onEnable: (on: boolean) => void;
  onClose: () => void;
}

/** The keys, and a switch that turns them off. */
export function KeysDialog({ keys, enabled, onEnable, onClose }: Props) {
  const { t } = useWords();
  return (
    <Dialog title={t("keys.title")} onClose={onClose} closable>
      <table className="keys">
        <thead className="visually-hidden">
          <tr>
            <th scope="col">{t("keys.key")}</th>
            <th scope="col">{t("keys.what")}</th>
          </tr>
        </thead>
        <tbody>
          {keys.map(({ key, does }) => (
            <tr key={key}>
              <th scope="row">
                <kbd>{key}</kbd>
              </th>
              <td>{t(does as "keys.sound")}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Check label={t("keys.on")} checked={enabled} onChange={(event) => onEnable(event.target.checked)} />
    </Dialog>
  );
}
