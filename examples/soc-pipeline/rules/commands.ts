// Looks for signs of an attack in a command line of PowerShell or mshta.

/** -e, -en, -enc … -EncodedCommand: PowerShell takes any beginning of its option's name. */
const ENCODED = /\s[-/]e(?:c|n|nc|nco|ncod|ncode|ncoded|ncodedc\w*)?\s+"?([A-Za-z0-9+/]{16,}={0,2})/i
const DOWNLOAD = /DownloadString|DownloadFile|DownloadData|Invoke-WebRequest|\biwr\b|Net\.WebClient/i
const EXECUTE = /\bIEX\b|Invoke-Expression|FromBase64String|Start-Process/i

/** mshta.exe that runs what comes from the network, or script text on its command line. */
const REMOTE_HTA = /\bmshta(?:\.exe)?["']?\s+["']?(?:https?:|\\\\|javascript:|vbscript:|about:)/i

/** Decodes an encoded command, which is base64 of UTF-16; undefined if there is none. */
export function decodedCommand(commandLine: string): string | undefined {
  const encoded = ENCODED.exec(commandLine)?.[1]
  // The beginning is enough to show it and to distinguish it from others.
  return encoded === undefined ? undefined : Buffer.from(encoded.slice(0, 400), 'base64').toString('utf16le')
}

/** Whether a command downloads something and runs it. */
export function isDownload(commandLine: string): boolean {
  return DOWNLOAD.test(commandLine) && EXECUTE.test(commandLine)
}

/** Whether mshta.exe runs something from the network or from its own command line. */
export function isRemoteHta(commandLine: string): boolean {
  return REMOTE_HTA.test(commandLine)
}
