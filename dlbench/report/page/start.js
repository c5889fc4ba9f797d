document.getElementById('made').textContent = `${data.rows.length}${data.rows.length < data.all_rows
  ? ` of ${data.all_rows}` : ''} rows · made ${data.made.slice(0, 10)} by dlbench report`;
startTheme();
startBoard();
startPlots();
startFailures();
startPictures();
startEnvironment();
startHelp();
document.documentElement.dataset.ready = 'yes';
