// What the page begins with.

export const QUERIES = [
  "How do I keep bread fresh?",
  "火山为什么会喷发？",
  "Warum ist der Himmel blau?",
];

export const DOCUMENTS = [
  "Store a loaf in a paper bag at room temperature; a refrigerator dries it out.",
  "Magma rises because it is lighter than the rock around it, and gases drive it out.",
  "Das Sonnenlicht wird an den Molekülen der Luft gestreut, blaues stärker als rotes.",
  "El pan se conserva bien en el congelador, cortado en rebanadas.",
  "The museum is open from ten to six, except on Mondays.",
];
